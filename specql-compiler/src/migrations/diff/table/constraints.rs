//! A table's constraints: which may stay, which rows stand against one, and how it is added without a scan under a lock.

use super::{
    super::{live_unique::narrowing, rename::replace_names, widening::widens},
    Alter, if_rows_allow,
};
use crate::{
    migrations::plan::HazardKind,
    sql::{
        object::{Column, TableConstraint, split_name},
        quote::ident,
        read::words_of_code,
        rule::Rule,
    },
};

impl Alter<'_> {
    /// Whether a constraint is in both tables and can be left alone. PostgreSQL has noted of which type its NULL is, and cannot look
    /// for that in a list of another one.
    fn stays(&self, constraint: &TableConstraint) -> bool {
        let other_list = |column: &&Column| {
            let before = self.before.get(&*column.name);
            before.is_some_and(|old| old.ty != column.ty && (old.ty.ends_with("[]") || column.ty.ends_with("[]")))
                && constraint.rule.names(&column.name)
        };
        self.old.constraints.contains(constraint)
            && self.new.constraints.contains(constraint)
            && !self.new.columns.iter().any(|column| other_list(&column))
    }

    pub(super) fn drop_constraints(&mut self) {
        for constraint in &self.old.constraints {
            if self.stays(constraint) {
                continue;
            }
            let name = &constraint.name;
            let successor = narrowing(constraint, &self.new.name, &self.schema.objects);
            if let Some(index) = successor.filter(|index| !self.is_reverse() && index.name == name) {
                self.later.finish.extend(index.succeed());
            } else if self.is_reverse() && is_unique(constraint) {
                // It may not have come further than its index.
                self.actions.push(format!("DROP CONSTRAINT IF EXISTS {name}"));
                // One of that name that comes back has the index's name.
                if self.new.constraints.iter().all(|new| new.name != *name) {
                    let schema = split_name(&self.new.name).map_or("public", |(schema, _)| schema);
                    self.after.push(format!("DROP INDEX IF EXISTS {schema}.{name}"));
                }
            } else {
                self.actions.push(format!("DROP CONSTRAINT {name}"));
            }
        }
    }

    pub(super) fn add_constraints(&mut self) {
        for constraint in &self.new.constraints {
            if self.stays(constraint) {
                continue;
            }
            self.altered();
            if !self.rows_fit(constraint) {
                self.hazard(
                    HazardKind::Misfit,
                    "add_constraint",
                    &constraint.name,
                    format!(
                        "constraint `{}` of `{}` {} {}, and rows that are there may break it",
                        constraint.name,
                        self.new.name,
                        if self.old.constraints.iter().any(|old| old.name == constraint.name) {
                            "changes to"
                        } else {
                            "is new,"
                        },
                        constraint.rule
                    ),
                    "keep what was allowed",
                );
                self.ask_by(constraint);
            } else if constraint.rule.columns().iter().any(|column| self.backfill(column).is_some()) {
                // What the backfill computes need not be what the type allows.
                self.ask_by(constraint);
            }
            self.add_constraint(constraint);
        }
    }

    /// Lets rows that break a constraint stand against the step, where it speaks of columns as they are.
    fn ask_by(&mut self, constraint: &TableConstraint) {
        let Rule::Check { condition, .. } = &constraint.rule else { return };
        let named = self.new.columns.iter().filter(|column| constraint.rule.names(&column.name));
        let Some(values) = named.map(|column| self.value_after(column)).collect::<Option<Vec<_>>>() else { return };
        let values: Vec<(&str, String)> = values.into_iter().flatten().collect();
        let condition = replace_names(condition, &values);
        let message = format!("rows of {} break {}; nothing was changed", self.new.name, constraint.name);
        self.ask(Some(&format!("NOT ({condition})")), &message, "keep what was allowed, or put the rows right first");
    }

    /// What old rows have in a column after the step, where that is not what they have already: an expression over them as they are
    /// before. `None` where nobody can say.
    fn value_after<'c>(&self, column: &'c Column) -> Option<Option<(&'c str, String)>> {
        let is_new = |word: &&str| {
            let ident = ident(word);
            self.new.columns.iter().any(|new| new.name == ident) && !self.before.contains_key(ident.as_str())
        };
        let backfill = self.backfill(&column.name).filter(|_| column.not_null);
        if backfill.is_some_and(|value| words_of_code(value).iter().any(is_new)) {
            return None;
        }
        let (name, ty) = (&column.name, &column.ty);
        let value = match (self.before.get(name.as_str()), backfill, &column.default) {
            (Some(old), ..) if old.ty != *ty => return None,
            (Some(_), None, _) => return Some(None),
            (Some(_), Some(value), _) => format!("coalesce(t.{name}, {value})"),
            (None, Some(value), _) => format!("({value})"),
            (None, None, Some(_)) if column.has_volatile_default() => return None,
            (None, None, Some(default)) => format!("({default})::{ty}"),
            (None, None, None) => format!("NULL::{ty}"),
        };
        Some(Some((name.as_str(), value)))
    }

    fn add_constraint(&mut self, constraint: &TableConstraint) {
        let (table, name) = (&self.new.name, &constraint.name);
        if is_unique(constraint) {
            // A table whose rows begin to belong to tenants is locked anyway, and references wait for this.
            if self.changes_tenancy() {
                self.actions.push(format!("ADD {}", constraint.clause()));
                return;
            }
            if self.is_reverse() {
                // A column that comes back has the same default in all rows.
                let add = format!("ALTER TABLE {table} ADD {}", constraint.clause());
                self.after.push(if_rows_allow(&add, "unique_violation"));
                return;
            }
            let kind = if matches!(constraint.rule, Rule::PrimaryKey(_)) { "PRIMARY KEY" } else { "UNIQUE" };
            let columns = constraint.rule.columns().join(", ");
            self.later.indexes.push(format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})"));
            self.later.finish.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {name}"));
            return;
        }
        self.actions.push(format!("ADD {} NOT VALID", constraint.clause()));
        let validate = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}");
        if self.is_reverse() {
            self.after.push(if_rows_allow(&validate, "check_violation"));
        } else {
            self.later.validate.push(validate);
        }
    }

    /// Whether every row that can be there satisfies a new or changed constraint.
    fn rows_fit(&self, constraint: &TableConstraint) -> bool {
        if self.changes_tenancy() && matches!(constraint.rule, Rule::Unique(_)) {
            // One sentence about the tenants says it all.
            return true;
        }
        if constraint.rule.is_free() {
            return false;
        }
        if let Some(old) = self.old.constraints.iter().find(|old| old.name == constraint.name) {
            return !old.rule.is_free() && widens(&old.rule.to_string(), &constraint.rule.to_string());
        }
        let new_columns: Vec<&Column> =
            self.new.columns.iter().filter(|column| !self.before.contains_key(column.name.as_str())).collect();
        let names_old = (self.before.keys()).any(|name| constraint.rule.names(name));
        let named: Vec<_> = new_columns.iter().filter(|column| constraint.rule.names(&column.name)).collect();
        // A new column without a default is NULL in every row, which no CHECK and no UNIQUE objects to; a default
        // satisfies the field's own CHECK, but is the same in every row.
        !names_old
            && !named.is_empty()
            && (!is_unique(constraint) || named.iter().any(|column| column.default.is_none()))
    }
}

fn is_unique(constraint: &TableConstraint) -> bool {
    constraint.rule.is_unique()
}
