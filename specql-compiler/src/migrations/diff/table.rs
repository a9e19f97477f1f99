//! How a table becomes another one: one `ALTER TABLE`, and comments.

use std::collections::BTreeMap;

use super::{dependents::contains_name, widening::widens};
use crate::{
    migrations::plan::{Change, Direction, Hazard, HazardKind, Plan},
    sql::{
        Object,
        object::{Column, Table, TableConstraint},
    },
};

/// The column that says whose a row is. No field can have this name.
const TENANT: &str = "tenant_id";

/// Adds to `plan` what takes table `old` to `new`. The order of columns is never compared.
pub(super) fn alter(old: &Table, new: &Table, object: &Object, direction: Direction, plan: &mut Plan) {
    let before: BTreeMap<&str, &Column> = old.columns.iter().map(|column| (column.name.as_str(), column)).collect();
    let mut alter = Alter { old, new, object, direction, before, actions: Vec::new(), comments: Vec::new(), plan };
    alter.drop_constraints();
    alter.drop_columns();
    alter.columns();
    alter.add_constraints();
    alter.rest();
    let Alter { actions, comments, .. } = alter;
    let mut statements = Vec::new();
    if !actions.is_empty() {
        let separator = if actions.len() == 1 { " " } else { "\n    " };
        let actions = actions.join(",\n    ");
        statements.push(format!("ALTER TABLE {}{separator}{actions}", new.name));
    }
    statements.extend(comments);
    plan.push(object, statements);
}

struct Alter<'a> {
    old: &'a Table,
    new: &'a Table,
    object: &'a Object,
    direction: Direction,
    before: BTreeMap<&'a str, &'a Column>,
    actions: Vec<String>,
    comments: Vec<String>,
    plan: &'a mut Plan,
}

impl Alter<'_> {
    fn drop_constraints(&mut self) {
        for constraint in &self.old.constraints {
            if !self.new.constraints.contains(constraint) {
                self.actions.push(format!("DROP CONSTRAINT {}", constraint.name));
            }
        }
    }

    fn drop_columns(&mut self) {
        for column in &self.old.columns {
            if self.new.columns.iter().any(|new| new.name == column.name) {
                continue;
            }
            if column.name == TENANT {
                self.hazard(
                    HazardKind::Loss,
                    format!("`{}` would no longer be multi-tenant: each row would be shown to all", self.new.name),
                    "put `multi_tenant: true` back in the domain registry",
                );
            } else {
                self.hazard(
                    HazardKind::Loss,
                    format!(
                        "column `{}` of `{}` would be dropped: the model no longer has it",
                        column.name, self.new.name
                    ),
                    "put the field back; migrations that drop data are not written yet",
                );
            }
            self.actions.push(format!("DROP COLUMN {}", column.name));
        }
    }

    fn columns(&mut self) {
        for column in &self.new.columns {
            match self.before.get(column.name.as_str()).copied() {
                None => self.add_column(column),
                Some(old) if old != column => self.change_column(old, column),
                Some(_) => {}
            }
        }
    }

    fn add_column(&mut self, column: &Column) {
        if column.name == TENANT {
            self.hazard(
                HazardKind::Misfit,
                format!("`{}` would become multi-tenant, and rows that are there belong to nobody", self.new.name),
                "give each row its `tenant_id` in a migration of your own, or leave `multi_tenant` out of the domain registry",
            );
        } else if column.not_null && column.default.is_none() && column.generated.is_none() {
            self.hazard(
                HazardKind::Misfit,
                format!(
                    "column `{}` of `{}` is required, and rows that are there have no value",
                    column.name, self.new.name
                ),
                "give the field a default, or leave off the `!`",
            );
        }
        self.plan.changes.push(Change::AddColumn { table: self.new.name.clone(), column: column.name.clone() });
        self.actions.push(format!("ADD COLUMN {}", column.clause()));
        if column.comment.is_some() {
            self.comments.push(self.new.comment_on_column(column));
        }
    }

    fn change_column(&mut self, old: &Column, new: &Column) {
        self.altered();
        let name = &new.name;
        if old.ty != new.ty || old.generated != new.generated {
            self.hazard(
                HazardKind::Misfit,
                format!(
                    "column `{name}` of `{}` would change from {} to {}",
                    self.new.name,
                    type_of(old),
                    type_of(new)
                ),
                "add a field with a new name instead; migrations that change a type are not written yet",
            );
        }
        if old.default != new.default {
            self.actions.push(match &new.default {
                Some(default) => format!("ALTER COLUMN {name} SET DEFAULT {default}"),
                None => format!("ALTER COLUMN {name} DROP DEFAULT"),
            });
        }
        if old.not_null && !new.not_null {
            self.actions.push(format!("ALTER COLUMN {name} DROP NOT NULL"));
        }
        if !old.not_null && new.not_null {
            self.hazard(
                HazardKind::Misfit,
                format!(
                    "column `{name}` of `{}` becomes required, and rows that are there may have no value",
                    self.new.name
                ),
                "leave off the `!`; migrations that tighten a column are not written yet",
            );
            self.actions.push(format!("ALTER COLUMN {name} SET NOT NULL"));
        }
        if old.comment != new.comment {
            self.comments.push(self.new.comment_on_column(new));
        }
    }

    fn add_constraints(&mut self) {
        for constraint in &self.new.constraints {
            if self.old.constraints.contains(constraint) {
                continue;
            }
            self.altered();
            if !self.rows_fit(constraint) {
                self.hazard(
                    HazardKind::Misfit,
                    format!(
                        "constraint `{}` of `{}` changes to {}, and rows that are there may break it",
                        constraint.name, self.new.name, constraint.definition
                    ),
                    "keep what was allowed; migrations that tighten a table are not written yet",
                );
            }
            self.actions.push(format!("ADD {}", constraint.clause()));
        }
    }

    /// Whether every row that can be there satisfies a new or changed constraint.
    fn rows_fit(&self, constraint: &TableConstraint) -> bool {
        if self.changes_tenancy() && constraint.definition.starts_with("UNIQUE (") {
            // One sentence about the tenants says it all.
            return true;
        }
        if let Some(old) = self.old.constraints.iter().find(|old| old.name == constraint.name) {
            return widens(&old.definition, &constraint.definition);
        }
        let new_columns: Vec<&Column> =
            self.new.columns.iter().filter(|column| !self.before.contains_key(column.name.as_str())).collect();
        let names_old = (self.before.keys()).any(|name| contains_name(&constraint.definition, name));
        let named: Vec<_> =
            new_columns.iter().filter(|column| contains_name(&constraint.definition, &column.name)).collect();
        // A new column without a default is NULL in every row, which no CHECK and no UNIQUE objects to; a default
        // satisfies the field's own CHECK, but is the same in every row.
        let unique = constraint.definition.starts_with("UNIQUE") || constraint.definition.starts_with("PRIMARY KEY");
        !names_old && !named.is_empty() && (!unique || named.iter().any(|column| column.default.is_none()))
    }

    /// Whether rows begin or cease to belong to tenants.
    fn changes_tenancy(&self) -> bool {
        let has = |table: &Table| table.columns.iter().any(|column| column.name == TENANT);
        has(self.old) != has(self.new)
    }

    fn rest(&mut self) {
        if self.old.suffix != self.new.suffix {
            self.hazard(
                HazardKind::Misfit,
                format!("table `{}` would be partitioned differently", self.new.name),
                "use the specql version that wrote the last migration",
            );
        }
        if self.old.comment != self.new.comment {
            self.altered();
            self.comments.insert(0, self.new.comment_on(self.new.comment.as_deref()));
        }
    }

    fn altered(&mut self) {
        self.plan.changes.push(Change::Alter(self.object.kind, self.object.name.clone()));
    }

    fn hazard(&mut self, kind: HazardKind, message: String, help: &str) {
        if self.direction == Direction::Forward {
            let origin = self.object.origin.clone();
            self.plan.hazards.push(Hazard { kind, message, help: help.to_owned(), origin });
        }
    }
}

fn type_of(column: &Column) -> String {
    match &column.generated {
        Some(generated) => format!("`{} {generated}`", column.ty),
        None => format!("`{}`", column.ty),
    }
}
