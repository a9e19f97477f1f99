//! The difference between two schemas, as a [`Plan`].
//!
//! A plan has three parts: what must be out of the way (dependents first), what is made or altered (in the new schema's
//! order), and what is no longer needed (dependents first again). Code (functions, views, triggers, input types) is
//! dropped and made again freely; tables are altered; whatever could lose a row is a hazard.

mod dependents;
mod table;
mod widening;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    origins,
    plan::{Change, Direction, Hazard, HazardKind, Plan, Step},
};
use crate::sql::{Definition, Object, ObjectKind, Schema, quote::literal};

/// Names an object within a schema.
type Key<'a> = (ObjectKind, &'a str);

/// The plan that takes a database from `old` to `new`. Empty when they are the same.
#[must_use]
pub fn diff(old: &Schema, new: &Schema, direction: Direction) -> Plan {
    let diff = Diff { old, new, before: index(old), after: index(new), direction };
    let recreated = diff.recreated();
    let mut plan = Plan::default();
    diff.clear_the_way(&recreated, &mut plan);
    diff.make(&recreated, &mut plan);
    diff.clear_up(&recreated, &mut plan);
    plan
}

struct Diff<'a> {
    old: &'a Schema,
    new: &'a Schema,
    before: BTreeMap<Key<'a>, &'a Object>,
    after: BTreeMap<Key<'a>, &'a Object>,
    direction: Direction,
}

fn key(object: &Object) -> Key<'_> {
    (object.kind, &object.name)
}

fn index(schema: &Schema) -> BTreeMap<Key<'_>, &Object> {
    schema.objects.iter().map(|object| (key(object), object)).collect()
}

impl<'a> Diff<'a> {
    /// Old objects that are dropped before anything is made: because they are made again differently, because they
    /// depend on one that is, or because they are gone and nothing can depend on them.
    fn recreated(&self) -> BTreeSet<Key<'a>> {
        let mut seeds = BTreeSet::new();
        for object in &self.old.objects {
            let replaced = self.after.get(&key(object)).is_some_and(|new| must_be_dropped(object, new));
            let gone = !self.after.contains_key(&key(object)) && is_leaf(object.kind);
            if replaced || gone {
                seeds.insert(key(object));
            }
        }
        dependents::close(self.old, seeds)
    }

    fn clear_the_way(&self, recreated: &BTreeSet<Key<'a>>, plan: &mut Plan) {
        for object in self.old.objects.iter().rev().filter(|object| recreated.contains(&key(object))) {
            let new = self.after.get(&key(object)).copied();
            if new.is_none() {
                plan.changes.push(Change::Remove(object.kind, object.name.clone()));
            }
            if self.retired(object) {
                continue;
            }
            // A grant goes with what it is granted on.
            let target_goes = object.kind == ObjectKind::Grant
                && dependents::mentions_any(object, recreated.iter().filter(|dropped| dropped.0 != ObjectKind::Grant));
            if !target_goes {
                let step = Step { origin: None, note: self.note_on_removal(object, new), statements: object.unmake() };
                if !step.statements.is_empty() {
                    plan.steps.push(step);
                }
            }
            if let Some(table) = dependents::table_using(self.new, object)
                && self.direction == Direction::Forward
            {
                plan.hazards.push(Hazard {
                    kind: HazardKind::Misfit,
                    message: format!("`{}` changes, but table `{}` is built on it", object.name, table.name),
                    help: "give the changed one a new name and move the table over in a migration of your own"
                        .to_owned(),
                    origin: table.origin.clone(),
                });
            }
        }
    }

    fn make(&self, recreated: &BTreeSet<Key<'a>>, plan: &mut Plan) {
        let mut fresh: Vec<&str> = Vec::new();
        for object in &self.new.objects {
            if !self.before.contains_key(&key(object)) || recreated.contains(&key(object)) {
                fresh.push(&object.name);
            }
            let Some(old) = self.before.get(&key(object)).copied() else {
                self.check_new(object, plan);
                plan.changes.push(Change::Add(object.kind, object.name.clone()));
                plan.push(object, object.create());
                continue;
            };
            if !same(old, object) {
                self.change(old, object, plan);
            } else if recreated.contains(&key(object)) || dependents::covers_schema_of(object, &fresh) {
                plan.push(object, object.create());
            }
        }
    }

    /// An object that is in both schemas, but not the same.
    fn change(&self, old: &Object, new: &Object, plan: &mut Plan) {
        match (&old.definition, &new.definition) {
            (Definition::Table(before), Definition::Table(after)) => {
                table::alter(before, after, new, self.direction, plan);
            }
            _ if new.kind == ObjectKind::Table => plan.hazards.push(Hazard {
                kind: HazardKind::Misfit,
                message: format!("table `{}` changes in a way that cannot be worked out", new.name),
                help: "tables of this kind are altered by hand: use the specql version that wrote the last migration"
                    .to_owned(),
                origin: new.origin.clone(),
            }),
            _ => {
                self.check_new(new, plan);
                plan.changes.push(Change::Alter(new.kind, new.name.clone()));
                plan.push(new, new.create());
            }
        }
    }

    fn clear_up(&self, recreated: &BTreeSet<Key<'a>>, plan: &mut Plan) {
        for object in self.old.objects.iter().rev() {
            let key = key(object);
            if self.after.contains_key(&key) || recreated.contains(&key) {
                continue;
            }
            plan.changes.push(Change::Remove(object.kind, object.name.clone()));
            if self.retired(object) {
                continue;
            }
            match object.kind {
                // A role belongs to the whole server: other databases may use it.
                ObjectKind::Role => continue,
                ObjectKind::Table | ObjectKind::Schema if self.direction == Direction::Forward => {
                    plan.hazards.push(removal_hazard(object));
                }
                _ => {}
            }
            plan.steps.push(Step {
                origin: None,
                note: self.note_on_removal(object, None),
                statements: object.unmake(),
            });
        }
        plan.steps.retain(|step| !step.statements.is_empty());
    }

    /// Whether it is the function of a callback that the model no longer has. Queued jobs may still name it, so only
    /// its registration is taken back.
    fn retired(&self, object: &Object) -> bool {
        if self.direction == Direction::Reverse || object.kind != ObjectKind::Function {
            return false;
        }
        let Some((schema, function)) = dependents::base_name(object).split_once('.') else { return false };
        let bare = |name: &str| name.trim_matches('"').to_owned();
        // A registration's values, in this order: the schema and the name of its function.
        let values = format!("{}, {}", literal(&bare(schema)), literal(&bare(function)));
        self.old.objects.iter().any(|data| {
            let Definition::Statements { create, .. } = &data.definition else { return false };
            data.kind == ObjectKind::Data
                && !self.after.contains_key(&key(data))
                && create.iter().any(|statement| {
                    let words: Vec<&str> = statement.split_whitespace().collect();
                    words.join(" ").contains(&values)
                })
        })
    }

    fn note_on_removal(&self, object: &Object, new: Option<&Object>) -> Option<String> {
        // A reverse is run, not reviewed.
        if new.is_some() || self.direction == Direction::Reverse {
            return None;
        }
        Some(match object.kind {
            ObjectKind::Data if object.name.starts_with("schedule ") => {
                format!("{} is gone from the model", object.name.replacen(' ', " `", 1) + "`")
            }
            ObjectKind::Data => {
                format!("`{}` is retired: jobs that are queued already still find its function", object.name)
            }
            _ => format!("`{}` is gone from the model", object.name),
        })
    }

    /// What a new or replaced object demands of rows that are already there.
    fn check_new(&self, object: &Object, plan: &mut Plan) {
        let Definition::Statements { create, .. } = &object.definition else { return };
        let unique = create.iter().any(|statement| statement.contains("CREATE UNIQUE INDEX"));
        if self.direction == Direction::Reverse || object.kind != ObjectKind::Index || !unique {
            return;
        }
        let existing = (self.before.keys())
            .find(|(kind, name)| *kind == ObjectKind::Table && dependents::mentions(object, &(*kind, *name)));
        if let Some((_, table)) = existing {
            plan.hazards.push(Hazard {
                kind: HazardKind::Misfit,
                message: format!(
                    "unique index `{}` is new on table `{table}`, which may hold rows that are equal",
                    object.name
                ),
                help: "create it in a migration of your own after the rows have been put right".to_owned(),
                origin: object.origin.clone(),
            });
        }
    }
}

/// Whether two definitions are the same. Comments that only say where a step is written do not count: moving a line of
/// YAML is no change of a database.
fn same(old: &Object, new: &Object) -> bool {
    if old.definition == new.definition {
        return true;
    }
    let (
        Definition::Statements { create: before, drop: undo_before },
        Definition::Statements { create: after, drop: undo_after },
    ) = (&old.definition, &new.definition)
    else {
        return false;
    };
    undo_before == undo_after
        && before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| origins::same_apart(before, after))
}

/// Whether the old object must go before the new one can be made, in place of `CREATE OR REPLACE` or `ALTER`.
fn must_be_dropped(old: &Object, new: &Object) -> bool {
    if same(old, new) {
        return false;
    }
    match old.kind {
        ObjectKind::Function => dependents::visible(old) != dependents::visible(new),
        ObjectKind::Role | ObjectKind::Schema | ObjectKind::Table | ObjectKind::Data => false,
        ObjectKind::Type
        | ObjectKind::Constraint
        | ObjectKind::Index
        | ObjectKind::Trigger
        | ObjectKind::View
        | ObjectKind::Policy
        | ObjectKind::Grant => true,
    }
}

/// Whether nothing but other leaves can depend on such an object, so that it may go before tables change.
const fn is_leaf(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::Constraint
        | ObjectKind::Index
        | ObjectKind::Trigger
        | ObjectKind::View
        | ObjectKind::Policy
        | ObjectKind::Grant
        | ObjectKind::Data => true,
        ObjectKind::Role | ObjectKind::Schema | ObjectKind::Type | ObjectKind::Table | ObjectKind::Function => false,
    }
}

fn removal_hazard(object: &Object) -> Hazard {
    let what = if object.kind == ObjectKind::Table { "table" } else { "schema" };
    Hazard {
        kind: HazardKind::Loss,
        message: format!("{what} `{}` would be dropped with all its rows: the model no longer has it", object.name),
        help: "put the entity back; migrations that drop data are not written yet".to_owned(),
        origin: object.origin.clone(),
    }
}

#[cfg(test)]
mod tests;
