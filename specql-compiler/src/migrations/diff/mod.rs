//! The difference between two schemas, as a [`Plan`].
//!
//! A plan has four parts: what must be out of the way (dependents first), what gets another name, what is made or altered (in
//! the new schema's order), and what is no longer needed (dependents first again). Code (functions, views, triggers, input
//! types) is dropped and made again freely; tables are altered; whatever could lose a row is a hazard.
//!
//! | module | holds |
//! |---|---|
//! | `bodies` | bodies of functions that the user wrote, read again |
//! | [`breaking`] | the record of what older binaries cannot go on with |
//! | `dependents` | which objects must go before another one can |
//! | `rename` | tables and columns under another name |
//! | `table`, `column_type`, `widening` | how a table becomes another one: columns, then constraints |
//! | `live_unique` | what is unique among live rows |
//! | `references` | foreign keys that point to another table |
//! | `rows` | what is asked of rows before a step, and what fills them |
//! | `retire` | callbacks that the model no longer has |

mod bodies;
pub mod breaking;
mod calls;
mod column_type;
mod dependents;
mod live_unique;
mod references;
mod rename;
mod retire;
mod rows;
mod table;
mod widening;

use std::collections::{BTreeMap, BTreeSet};

use live_unique::{LiveUnique, change_of};
use rename::{NamesBefore, Renames};
pub use retire::retired;

use super::{
    origins,
    plan::{Change, Direction, Hazard, HazardKind, Phase, Plan, Step},
};
use crate::sql::{
    Definition, Object, ObjectKind, Schema,
    facts::{Facts, Index, Reference},
    object::split_name,
};

/// Names an object within a schema.
pub(super) type Key<'a> = (ObjectKind, &'a str);

/// The plan that takes a database from `old` to `new`. Empty when they are the same.
#[must_use]
pub fn diff(old: &Schema, new: &Schema, direction: Direction) -> Plan {
    let renames = Renames::between(old, new, direction);
    let mut renaming = Plan::default();
    let renamed = (!renames.is_empty()).then(|| renames.carry_out(old, new, &mut renaming));
    let diff = Diff::new(renamed.as_ref().unwrap_or(old), new, &renames, direction);
    let recreated = diff.recreated();
    let mut plan = Plan::default();
    if direction == Direction::Forward {
        plan.hazards.extend(renames.unappliable(old, new));
    }
    diff.clear_the_way(&recreated, &mut plan);
    let is_schema = |object: &&Object| object.kind == ObjectKind::Schema;
    diff.make(&recreated, is_schema, &mut plan);
    plan.steps.append(&mut renaming.steps);
    plan.changes.append(&mut renaming.changes);
    plan.breaking.append(&mut renaming.breaking);
    retire::follow(&renames, old, new, direction, &mut plan);
    diff.make(&recreated, |object| !is_schema(object), &mut plan);
    if direction == Direction::Reverse {
        retire::restore(old, new, &mut plan);
    }
    diff.clear_up(&recreated, &mut plan);
    bodies::check(new, direction, &mut plan);
    plan.steps.retain(|step| !step.statements.is_empty());
    plan
}

struct Diff<'a> {
    old: &'a Schema,
    new: &'a Schema,
    /// What has another name in `old` than in the database before the step.
    renames: &'a Renames,
    before: BTreeMap<Key<'a>, &'a Object>,
    after: BTreeMap<Key<'a>, &'a Object>,
    direction: Direction,
}

pub(super) fn key(object: &Object) -> Key<'_> {
    (object.kind, &object.name)
}

fn index(schema: &Schema) -> BTreeMap<Key<'_>, &Object> {
    schema.objects.iter().map(|object| (key(object), object)).collect()
}

impl<'a> Diff<'a> {
    fn new(old: &'a Schema, new: &'a Schema, renames: &'a Renames, direction: Direction) -> Self {
        Self { old, new, renames, before: index(old), after: index(new), direction }
    }

    /// Old objects that are dropped before anything is made: because they are made again differently, because they
    /// depend on one that is, or because they are gone and nothing can depend on them.
    fn recreated(&self) -> BTreeSet<Key<'a>> {
        let mut seeds = BTreeSet::new();
        for object in &self.old.objects {
            let replaced = self.after.get(&key(object)).is_some_and(|new| must_be_dropped(object, new));
            let gone =
                !self.after.contains_key(&key(object)) && (is_leaf(object.kind) || self.has_new_overload(object));
            if replaced || gone {
                seeds.insert(key(object));
            }
        }
        // A view stands on the columns of its tables, whose types it keeps.
        let reshaped: Vec<Key<'_>> = self.reshaped_tables().collect();
        let stands_on = |object: &&Object| {
            matches!(object.kind, ObjectKind::View | ObjectKind::Policy)
                && dependents::needs_any(object, reshaped.iter())
        };
        if !reshaped.is_empty() {
            seeds.extend(self.old.objects.iter().filter(stands_on).map(key));
        }
        dependents::close(self.old, seeds)
    }

    /// Whether it is a function that has other parameters from now on: beside the new one, calls of either are ambiguous.
    fn has_new_overload(&self, object: &Object) -> bool {
        let is_overload = |new: &&Object| new.kind == ObjectKind::Function && new.base_name() == object.base_name();
        object.kind == ObjectKind::Function
            && self.new.objects.iter().any(|new| is_overload(&new))
            && dependents::table_using(self.old, object).is_none()
    }

    /// Tables of which a column goes or gets another type.
    fn reshaped_tables(&self) -> impl Iterator<Item = Key<'a>> {
        self.old.objects.iter().filter_map(|object| {
            let Definition::Table(old) = &object.definition else { return None };
            let Definition::Table(new) = &self.after.get(&key(object))?.definition else { return None };
            let kept = |column: &crate::sql::object::Column| {
                new.columns.iter().any(|other| other.name == column.name && other.ty == column.ty)
            };
            (!old.columns.iter().all(kept)).then(|| key(object))
        })
    }

    fn clear_the_way(&self, recreated: &BTreeSet<Key<'a>>, plan: &mut Plan) {
        for object in self.old.objects.iter().rev().filter(|object| recreated.contains(&key(object))) {
            let new = self.after.get(&key(object)).copied();
            if new.is_none() {
                plan.changes.push(change_of(object, Change::Remove));
                if object.kind == ObjectKind::View {
                    plan.breaking.push(format!("view {} is gone", object.name));
                }
            }
            self.breaks_callers(object, plan);
            if self.is_retired(object) {
                continue;
            }
            // A grant goes with what it is granted on.
            let target_goes = object.kind == ObjectKind::Grant && dependents::needs_any(object, recreated.iter());
            if !target_goes {
                let statements = self.unmake(object);
                plan.steps.push(Step { note: self.note_on_removal(object, new), statements, ..Step::default() });
            }
            if let Some(table) = dependents::table_using(self.new, object)
                && self.direction == Direction::Forward
            {
                plan.hazards.push(Hazard {
                    id: Hazard::id("change", &object.name),
                    kind: HazardKind::Impossible,
                    message: format!("`{}` changes, but table `{}` is built on it", object.name, table.name),
                    help: "give the changed one a new name and move the table over in a migration of your own"
                        .to_owned(),
                    origin: table.origin.clone(),
                });
            }
        }
    }

    fn make(&self, recreated: &BTreeSet<Key<'a>>, wanted: impl Fn(&&Object) -> bool, plan: &mut Plan) {
        let mut fresh: Vec<&str> = Vec::new();
        let mut revoked: Vec<&str> = Vec::new();
        for object in self.new.objects.iter().filter(wanted) {
            if !self.before.contains_key(&key(object)) || recreated.contains(&key(object)) {
                fresh.push(&object.name);
            }
            let Some(old) = self.before.get(&key(object)).copied() else {
                self.check_new(object, plan);
                plan.changes.push(change_of(object, Change::Add));
                self.create(object, plan);
                continue;
            };
            if !same(old, object) {
                self.change(old, object, recreated.contains(&key(object)), plan);
            } else if recreated.contains(&key(object)) {
                self.create(object, plan);
            } else if dependents::covers_schema_of(object, &fresh) || dependents::grants_in(object, &revoked) {
                // What is taken from all takes back what was given to some.
                revoked.extend(dependents::schema_covered(object));
                self.create(object, plan);
            }
        }
    }

    /// The names that a table has before the step: rows are asked by them.
    fn names_before(&self, table: &'a str) -> NamesBefore<'a> {
        let columns = self.renames.columns_of(table).map(|(from, to)| (to, from.to_owned())).collect();
        NamesBefore { table: self.renames.old_name(table), columns }
    }

    /// An object that is in both schemas, but not the same; `dropped`: the old one has made way already.
    fn change(&self, old: &Object, new: &Object, dropped: bool, plan: &mut Plan) {
        match (&old.definition, &new.definition) {
            (Definition::Table(before), Definition::Table(after)) => {
                let way = table::Way { direction: self.direction, asks: Some(self.names_before(&new.name)) };
                table::alter(before, after, new, self.new, way, plan);
            }
            _ if new.kind == ObjectKind::Table => match (old.table(), new.table()) {
                (Some(before), Some(after)) => {
                    let way = table::Way { direction: self.direction, asks: None };
                    table::alter(before, after, new, self.new, way, plan);
                }
                _ => plan.hazards.push(Hazard {
                    id: Hazard::id("change", &new.name),
                    kind: HazardKind::Impossible,
                    message: format!("table `{}` changes in a way that cannot be worked out", new.name),
                    help: "use the specql version that wrote the last migration".to_owned(),
                    origin: new.origin.clone(),
                }),
            },
            _ if new.kind == ObjectKind::View && !dropped => {
                plan.changes.push(Change::Alter(new.kind, new.name.clone()));
                let create = new.create();
                let replace = create.iter().map(|text| text.replacen("CREATE VIEW ", "CREATE OR REPLACE VIEW ", 1));
                plan.push(new, replace.collect());
            }
            _ => {
                self.check_new(new, plan);
                if self.direction == Direction::Forward {
                    plan.hazards.extend(references::retargeted(old, new));
                }
                plan.changes.push(change_of(new, Change::Alter));
                self.create(new, plan);
                // It stays, and with it what was said of it.
                if *new.facts() == (Facts::Schema { described: false }) {
                    plan.push(new, vec![format!("COMMENT ON SCHEMA {} IS NULL", new.name)]);
                }
                if self.direction == Direction::Forward
                    && new.kind == ObjectKind::Function
                    && retire::is_callback(new, self.new)
                {
                    let note = "jobs that are queued already run this callback in its new form";
                    if let Some(step) = plan.steps.last_mut() {
                        step.note = Some(note.to_owned());
                    }
                }
            }
        }
    }

    /// Makes an object; on a table that may hold rows without keeping others from it while they are read.
    fn create(&self, object: &Object, plan: &mut Plan) {
        let statements = object.create();
        if !self.stands_on_an_old_table(object) {
            return plan.push(object, statements);
        }
        let live_unique = LiveUnique::read(object);
        if self.direction == Direction::Reverse {
            let made = |statement: &String| match live_unique {
                // Equal rows may have come since it was dropped.
                Some(_) => table::if_rows_allow(statement, "unique_violation"),
                None => statement.clone(),
            };
            return plan.push(object, statements.iter().map(made).collect());
        }
        if let Some(index) = live_unique {
            let (before, changes_tenancy) = self.table_of(&index);
            if changes_tenancy {
                // Such a table is locked anyway.
                return plan.push(object, statements);
            }
            if before.is_some_and(|before| index.succeeds_one_of(before)) {
                return plan.push_in(Phase::Concurrently, object, vec![index.make_beside()]);
            }
        }
        match object.facts() {
            Facts::Index(index) => {
                plan.push_in(Phase::Concurrently, object, vec![index.create_concurrently(object.own_name())]);
            }
            Facts::Reference(reference) => {
                let (name, table) = (object.own_name(), &reference.table);
                plan.push(object, vec![format!("{} NOT VALID", reference.create(name))]);
                let validate = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}");
                plan.push_in(Phase::Validate, object, vec![validate]);
            }
            _ => plan.push(object, statements),
        }
    }

    /// Whether it is an index or constraint of a table that was there before, and is not partitioned: PostgreSQL makes none
    /// of a partitioned table's concurrently.
    fn stands_on_an_old_table(&self, object: &Object) -> bool {
        let (Facts::Index(Index { table, .. }) | Facts::Reference(Reference { table, .. })) = object.facts() else {
            return false;
        };
        let old = self.before.get(&(ObjectKind::Table, table)).and_then(|old| old.table());
        old.is_some_and(|old| !old.is_partitioned())
    }

    fn clear_up(&self, recreated: &BTreeSet<Key<'a>>, plan: &mut Plan) {
        let gone: Vec<&Object> = (self.old.objects.iter().rev())
            .filter(|object| !self.after.contains_key(&key(object)) && !recreated.contains(&key(object)))
            .collect();
        if self.before.contains_key(&CALLBACKS) && !self.after.contains_key(&CALLBACKS) {
            // Nobody is left to call them, and their schema may go.
            for object in self.old.retired.iter().rev().filter(|object| !self.after.contains_key(&key(object))) {
                plan.steps.push(Step { statements: object.unmake(), ..Step::default() });
            }
        }
        for object in &gone {
            plan.changes.push(Change::Remove(object.kind, object.name.clone()));
            self.breaks_callers(object, plan);
            if self.is_retired(object) {
                continue;
            }
            match object.kind {
                // A role belongs to the whole server: other databases may use it.
                ObjectKind::Role => continue,
                // The functions of retired callbacks are in it.
                ObjectKind::Schema if self.holds_retired(&object.name) => continue,
                ObjectKind::Table => {
                    plan.breaking.push(format!("table {} is gone", object.name));
                    // With its schema: one hazard says it all.
                    let schema = split_name(&object.name).map(|(schema, _)| schema);
                    let goes_too = |other: &&&Object| {
                        other.kind == ObjectKind::Schema
                            && Some(&*other.name) == schema
                            && !self.holds_retired(&other.name)
                    };
                    if !gone.iter().any(|other| goes_too(&other)) {
                        self.removal_hazard(object, plan);
                    }
                }
                ObjectKind::Schema => self.removal_hazard(object, plan),
                _ => {}
            }
            let note = self.note_on_removal(object, None);
            plan.steps.push(Step { note, statements: self.unmake(object), ..Step::default() });
        }
    }

    /// The statements that unmake an object. In a reverse, what a later file of the step makes may not be there yet.
    fn unmake(&self, object: &Object) -> Vec<String> {
        let statements = object.unmake();
        if self.direction == Direction::Reverse
            && !self.after.contains_key(&key(object))
            && let Some(index) = LiveUnique::read(object)
        {
            let table = (ObjectKind::Table, index.table());
            let table_goes = self.before.contains_key(&table) && !self.after.contains_key(&table);
            if !table_goes {
                return index.unmake();
            }
        }
        match (self.direction, object.kind) {
            (Direction::Reverse, ObjectKind::Index) => statements
                .iter()
                .map(|statement| statement.replacen("DROP INDEX ", "DROP INDEX IF EXISTS ", 1))
                .collect(),
            _ => statements,
        }
    }

    /// Functions of schemas `app` and `jobs` are what binaries call: one that is gone, or is to be called otherwise, breaks with them.
    fn breaks_callers(&self, object: &Object, plan: &mut Plan) {
        if calls::is_called(object, self.old) {
            let functions = self.new.objects.iter().filter(|new| new.kind == ObjectKind::Function);
            if !functions.into_iter().any(|new| calls::serves(object, new)) {
                let what = if self.after.contains_key(&key(object)) { "answers in another form" } else { "is gone" };
                plan.breaking.push(format!("function {} {what}", object.name));
            }
        }
    }

    /// Whether it is the function of a callback that the model no longer has. Queued jobs may still name it, so only
    /// its registration is taken back.
    fn is_retired(&self, object: &Object) -> bool {
        match self.direction {
            Direction::Forward => !self.after.contains_key(&key(object)) && retire::retires(object, self.old, self.new),
            Direction::Reverse => self.new.retired.iter().any(|kept| key(kept) == key(object)),
        }
    }

    fn holds_retired(&self, schema: &str) -> bool {
        self.direction == Direction::Forward
            && retired(self.old, self.new).iter().any(|function| retire::is_in(function, schema))
    }

    fn note_on_removal(&self, object: &Object, new: Option<&Object>) -> Option<String> {
        // A reverse is run, not reviewed.
        if self.direction == Direction::Reverse {
            return None;
        }
        if new.is_some() {
            let words = "made again below: what was granted on it besides must be granted again";
            return (object.kind == ObjectKind::View).then(|| words.to_owned());
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

    fn removal_hazard(&self, object: &Object, plan: &mut Plan) {
        if self.direction == Direction::Reverse {
            return;
        }
        let (what, id, help) = if object.kind == ObjectKind::Table {
            ("table", "drop_table", "put the entity back, or say in another one that it is `renamed_from` this")
        } else {
            ("schema", "drop_schema", "put its entities back")
        };
        let message = match object.kind {
            ObjectKind::Schema => {
                format!("schema `{}` would be dropped with all its tables: the model no longer has it", object.name)
            }
            _ => format!("{what} `{}` would be dropped with all its rows: the model no longer has it", object.name),
        };
        plan.hazards.push(Hazard {
            id: Hazard::id(id, &object.name),
            kind: HazardKind::Loss,
            message,
            help: help.to_owned(),
            origin: object.origin.clone(),
        });
    }

    /// What a new or replaced object demands of rows that are already there.
    fn check_new(&self, object: &Object, plan: &mut Plan) {
        let Facts::Index(Index { unique: true, table, .. }) = object.facts() else { return };
        if self.direction == Direction::Reverse {
            return;
        }
        if LiveUnique::read(object).is_some_and(|index| self.rows_fit(&index)) {
            return;
        }
        if self.before.contains_key(&(ObjectKind::Table, table)) {
            plan.hazards.push(Hazard {
                id: Hazard::id("unique_index", &object.name),
                kind: HazardKind::Misfit,
                message: format!(
                    "unique index `{}` is new on table `{table}`, which may hold rows that are equal",
                    object.name
                ),
                help: "allow it after the rows have been put right".to_owned(),
                origin: object.origin.clone(),
            });
            let check = LiveUnique::read(object).and_then(|index| self.no_equal_rows(&index));
            plan.push_in(Phase::Check, object, check.into_iter().collect());
        }
    }
}

/// Whether it is a grant on all of a schema that one of these objects stands in.
pub(super) fn covers(object: &Object, names: &[&str]) -> bool {
    dependents::covers_schema_of(object, names)
}

/// Where callbacks are registered.
const CALLBACKS: Key<'static> = (ObjectKind::Table, "jobs.tb_callback");

/// Whether two definitions are the same. Comments that only say where a step is written do not count: moving a line of
/// YAML is no change of a database.
fn same(old: &Object, new: &Object) -> bool {
    if old.definition == new.definition {
        return true;
    }
    let (
        Definition::Statements { create: before, drop: undo_before, .. },
        Definition::Statements { create: after, drop: undo_after, .. },
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
        ObjectKind::Function => !calls::same_call(old, new),
        ObjectKind::View => !same_columns(old, new),
        ObjectKind::Role | ObjectKind::Schema | ObjectKind::Table | ObjectKind::Data => false,
        ObjectKind::Type
        | ObjectKind::Constraint
        | ObjectKind::Index
        | ObjectKind::Trigger
        | ObjectKind::Policy
        | ObjectKind::Grant => true,
    }
}

/// Whether two views have the same columns: then one replaces the other in place, and the rights that somebody was granted on it
/// stay.
fn same_columns(old: &Object, new: &Object) -> bool {
    !old.facts().are_none() && old.facts() == new.facts()
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

#[cfg(test)]
mod tests;
