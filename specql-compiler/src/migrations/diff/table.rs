//! How a table becomes another one, without keeping others from it for longer than it takes to say so.
//!
//! One `ALTER TABLE` that reads no row; what must be compared with the rows comes in a phase of its own ([`Phase`]). A
//! reverse, which runs in development alone, does everything at once.

mod constraints;

use std::collections::BTreeMap;

use super::{
    column_type,
    rename::{NamesBefore, replace_names},
    rows::Rows,
};
use crate::{
    migrations::plan::{Change, Direction, Hazard, HazardKind, Phase, Plan},
    model::names,
    sql::{
        Object, Schema,
        object::{Column, Table, split_name},
        quote::{dollar, ident, literal},
    },
};

/// The column that says whose a row is. No field can have this name.
pub(super) const TENANT: &str = "tenant_id";

/// How a table is altered.
#[derive(Clone, Debug)]
pub(super) struct Way<'a> {
    pub(super) direction: Direction,
    /// By which names rows are asked before the step; `None`: they are not.
    pub(super) asks: Option<NamesBefore<'a>>,
}

/// Adds to `plan` what takes table `old` to `new`. `schema` says in which line a column is written, and what fills it. The order of
/// columns is never compared.
pub(super) fn alter(old: &Table, new: &Table, object: &Object, schema: &Schema, way: Way<'_>, plan: &mut Plan) {
    let before: BTreeMap<&str, &Column> = old.columns.iter().map(|column| (column.name.as_str(), column)).collect();
    let later = Later::default();
    let mut alter =
        Alter { old, new, object, schema, way, before, actions: Vec::new(), after: Vec::new(), later, plan };
    alter.drop_constraints();
    alter.drop_columns();
    alter.columns();
    alter.add_constraints();
    alter.rest();
    let fills = Some(&alter.later.fills).filter(|fills| !fills.is_empty());
    let fill = fills.and_then(|fills| Some(alter.rows()?.fill(fills)));
    let Alter { actions, after, later, .. } = alter;
    let mut statements = Vec::new();
    if !actions.is_empty() {
        let separator = if actions.len() == 1 { " " } else { "\n    " };
        let actions = actions.join(",\n    ");
        statements.push(format!("ALTER TABLE {}{separator}{actions}", new.name));
    }
    statements.extend(after);
    for check in later.checks {
        plan.push_in(Phase::Check, object, vec![check]);
    }
    plan.push(object, statements);
    if let Some(fill) = fill {
        plan.push_in(Phase::Backfill, object, vec![fill.clone()]);
        plan.push_in(Phase::Rest, object, vec![fill]);
    }
    plan.push_in(Phase::Require, object, later.require);
    for index in later.indexes {
        plan.push_in(Phase::Concurrently, object, vec![index]);
    }
    plan.push_in(Phase::Validate, object, later.validate);
    plan.push_in(Phase::Finish, object, later.finish);
}

struct Alter<'a> {
    old: &'a Table,
    new: &'a Table,
    object: &'a Object,
    schema: &'a Schema,
    way: Way<'a>,
    before: BTreeMap<&'a str, &'a Column>,
    /// Of the one `ALTER TABLE`.
    actions: Vec<String>,
    /// Statements behind it.
    after: Vec<String>,
    later: Later,
    plan: &'a mut Plan,
}

/// Statements of other phases.
#[derive(Default)]
struct Later {
    /// Before everything else.
    checks: Vec<String>,
    /// Columns, and the expressions that give old rows their values.
    fills: Vec<(String, String)>,
    require: Vec<String>,
    indexes: Vec<String>,
    validate: Vec<String>,
    finish: Vec<String>,
}

impl Alter<'_> {
    fn is_reverse(&self) -> bool {
        self.way.direction == Direction::Reverse
    }

    fn drop_columns(&mut self) {
        for column in &self.old.columns {
            if self.new.columns.iter().any(|new| new.name == column.name) {
                continue;
            }
            if column.name == TENANT {
                self.hazard(
                    HazardKind::Loss,
                    "drop_column",
                    TENANT,
                    format!("`{}` would no longer be multi-tenant: each row would be shown to all", self.new.name),
                    "put `multi_tenant: true` back in the domain registry",
                );
            } else {
                self.hazard(
                    HazardKind::Loss,
                    "drop_column",
                    &column.name,
                    format!(
                        "column `{}` of `{}` would be dropped: the model no longer has it",
                        column.name, self.new.name
                    ),
                    "put the field back, or say in another one that it is `renamed_from` this",
                );
            }
            self.altered();
            self.plan.breaking.push(format!("column {} of {} is gone", column.name, self.new.name));
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
        let without_value = column.not_null && column.default.is_none() && column.generated.is_none();
        let is_filled = column.not_null && !self.is_reverse() && self.backfill(&column.name).is_some();
        if column.name == TENANT {
            self.hazard(
                HazardKind::Misfit,
                "add_column",
                TENANT,
                format!("`{}` would become multi-tenant, and rows that are there belong to nobody", self.new.name),
                "take the rows out first, and insert them again with their `tenant_id` after the step; or leave `multi_tenant` out of the domain registry",
            );
        } else if without_value && self.backfill(&column.name).is_none() {
            self.hazard(
                HazardKind::Misfit,
                "add_column",
                &column.name,
                format!(
                    "column `{}` of `{}` is required, and rows that are there have no value",
                    column.name, self.new.name
                ),
                "give the field a default or a `backfill:`, or leave off the `!`",
            );
        } else if !is_filled && (column.has_volatile_default() || column.generated.is_some()) {
            self.hazard(
                HazardKind::Lock,
                "add_column",
                &column.name,
                format!(
                    "column `{}` of `{}` has another value in each row: the table is locked while all rows are written anew",
                    column.name, self.new.name
                ),
                "give the field a constant default",
            );
        }
        self.plan.changes.push(Change::AddColumn { table: self.new.name.clone(), column: column.name.clone() });
        if without_value {
            self.actions.push(format!("ADD COLUMN {}", Column { not_null: false, ..column.clone() }.clause()));
            self.require(&column.name, None);
        } else if is_filled {
            // The default is for rows that come: those that are there would have it at once.
            let plain = Column { not_null: false, default: None, ..column.clone() };
            self.actions.push(format!("ADD COLUMN {}", plain.clause()));
            let (table, name) = (&self.new.name, &column.name);
            let default = column.default.as_ref();
            self.after.extend(
                default.map(|default| format!("ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {default}")),
            );
            self.require(&column.name, None);
        } else {
            self.actions.push(format!("ADD COLUMN {}", column.clause()));
        }
        if column.comment.is_some() {
            self.after.push(self.new.comment_on_column(column));
        }
    }

    /// Makes a column that may hold NULL required: a constraint that reads no row, its validation, and then what is quick
    /// because the constraint has been validated. Rows without a value (`lacking`; `None`: all that are there) get one first, or stand
    /// against the step.
    fn require(&mut self, column: &str, lacking: Option<&str>) {
        let (table, helper) = (&self.new.name, self.not_null_check(column));
        if self.is_reverse() {
            // A value that the forward step took away does not come back.
            self.after.push(if_rows_allow(
                &format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"),
                "not_null_violation",
            ));
            return;
        }
        let add = format!("ADD CONSTRAINT {helper} CHECK ({column} IS NOT NULL) NOT VALID");
        match (self.backfill(column), self.rows()) {
            (Some(value), Some(_)) => {
                let fill = (column.to_owned(), value.to_owned());
                self.later.fills.push(fill);
                self.later.require.push(format!("ALTER TABLE {table} {add}"));
            }
            _ => {
                self.actions.push(add);
                let (message, way_out) = match lacking {
                    _ if column == TENANT => (
                        format!("{table} holds rows, which would belong to no tenant; nothing was changed"),
                        "take them out first, and insert them again with their tenant_id after the step",
                    ),
                    // A default is for rows that come.
                    Some(_) => (
                        format!("rows of {table} have no {column}, which becomes required; nothing was changed"),
                        "give the field a `backfill:`, or put the rows right first",
                    ),
                    None => (
                        format!("{table} holds rows, and {column} is new and required; nothing was changed"),
                        "give the field a `backfill:` or a default",
                    ),
                };
                self.ask(lacking, &message, way_out);
            }
        }
        self.later.validate.push(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {helper}"));
        // Two statements: PostgreSQL drops first, whatever the order of a statement's parts, and would read all rows again.
        self.later.finish.push(format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"));
        self.later.finish.push(format!("ALTER TABLE {table} DROP CONSTRAINT {helper}"));
    }

    /// What fills a column in rows that are there.
    fn backfill(&self, column: &str) -> Option<&str> {
        self.schema.backfills.get(&format!("{}.{column}", self.new.name)).map(String::as_str)
    }

    /// The rows that are there during the step; `None` where they begin or cease to belong to tenants, or have no key.
    fn rows(&self) -> Option<Rows<'_>> {
        Rows::of(self.old, &self.new.name).filter(|_| !self.changes_tenancy())
    }

    /// Lets rows that meet a condition stand against the step, before anything is done.
    fn ask(&mut self, condition: Option<&str>, message: &str, way_out: &str) {
        if self.is_reverse() {
            return;
        }
        let Some(names) = &self.way.asks else { return };
        let condition = condition.map(|condition| replace_names(condition, &names.columns));
        let check = Rows::of(self.old, names.table).map(|rows| rows.none_may(condition.as_deref(), message, way_out));
        self.later.checks.extend(check);
    }

    /// The name of the constraint that stands in for `NOT NULL` until its rows have been read.
    fn not_null_check(&self, column: &str) -> String {
        let plain = |name: &str| name.trim_matches('"').to_owned();
        let table = split_name(&self.new.name).map_or(&*self.new.name, |(_, table)| table);
        ident(&names::derived(&format!("nn_{}__{}", plain(table), plain(column))))
    }

    fn change_column(&mut self, old: &Column, new: &Column) {
        self.altered();
        let name = &new.name;
        if old.generated != new.generated {
            self.hazard(
                HazardKind::Impossible,
                "change_identity",
                name,
                format!(
                    "column `{name}` of `{}` would change from {} to {}",
                    self.new.name,
                    type_of(old),
                    type_of(new)
                ),
                "use the specql version that wrote the last migration",
            );
        }
        let retyped = old.ty != new.ty;
        if retyped {
            self.change_type(old, new);
        }
        match (&old.default, &new.default) {
            (before, after) if before == after && !retyped => {}
            (_, Some(default)) => self.actions.push(format!("ALTER COLUMN {name} SET DEFAULT {default}")),
            (Some(_), None) if !retyped => self.actions.push(format!("ALTER COLUMN {name} DROP DEFAULT")),
            _ => {}
        }
        if old.not_null && !new.not_null {
            if self.is_reverse() {
                let helper = self.not_null_check(name);
                self.actions.push(format!("DROP CONSTRAINT IF EXISTS {helper}"));
            }
            self.actions.push(format!("ALTER COLUMN {name} DROP NOT NULL"));
        }
        if !old.not_null && new.not_null {
            if self.backfill(name).is_none() {
                self.hazard(
                    HazardKind::Misfit,
                    "set_not_null",
                    name,
                    format!(
                        "column `{name}` of `{}` becomes required, and rows that are there may have no value",
                        self.new.name
                    ),
                    "give the field a `backfill:`, or leave off the `!`",
                );
            }
            self.require(name, Some(&format!("{name} IS NULL")));
        }
        if old.comment != new.comment {
            self.after.push(self.new.comment_on_column(new));
        }
    }

    fn change_type(&mut self, old: &Column, new: &Column) {
        let name = &new.name;
        let change =
            format!("column `{name}` of `{}` would change from {} to {}", self.new.name, type_of(old), type_of(new));
        match column_type::hazard(&old.ty, &new.ty) {
            None => {}
            Some(HazardKind::Lock) => self.hazard(
                HazardKind::Lock,
                "change_type",
                name,
                format!("{change}: the table is locked while all rows are written anew"),
                "add a field with a new name instead, and move the values over in batches",
            ),
            Some(HazardKind::Loss) => self.hazard(
                HazardKind::Loss,
                "change_type",
                name,
                format!("{change}: values would be rounded or cut without a word"),
                "add a field with a new name instead",
            ),
            Some(kind) => self.hazard(kind, "change_type", name, change, "add a field with a new name instead"),
        }
        if column_type::hazard(&old.ty, &new.ty).is_some() {
            self.plan.breaking.push(format!("column {name} of {} is now {}", self.new.name, new.ty));
        }
        if old.default.is_some() {
            // What it was need not be a value of the new type.
            self.actions.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
        }
        let using = column_type::using(name, &old.ty, &new.ty);
        self.actions.push(format!("ALTER COLUMN {name} TYPE {} USING {using}", new.ty));
    }

    fn changes_tenancy(&self) -> bool {
        changes_tenancy(self.old, self.new)
    }

    fn rest(&mut self) {
        if self.old.suffix != self.new.suffix {
            match (parameters(self.old.suffix.as_deref()), parameters(self.new.suffix.as_deref())) {
                (Some(before), Some(after)) => self.storage(&before, &after),
                _ => self.hazard(
                    HazardKind::Impossible,
                    "partition",
                    "",
                    format!("table `{}` would be partitioned differently", self.new.name),
                    "use the specql version that wrote the last migration",
                ),
            }
        }
        if self.old.comment != self.new.comment {
            self.altered();
            self.after.insert(0, self.new.comment_on(self.new.comment.as_deref()));
        }
    }

    fn storage(&mut self, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
        self.altered();
        let gone: Vec<&str> = before.keys().filter(|name| !after.contains_key(*name)).map(String::as_str).collect();
        if !gone.is_empty() {
            self.actions.push(format!("RESET ({})", gone.join(", ")));
        }
        let set: Vec<String> = (after.iter())
            .filter(|(name, value)| before.get(*name) != Some(value))
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        if !set.is_empty() {
            self.actions.push(format!("SET ({})", set.join(", ")));
        }
    }

    /// Where a column is written, or the first one that a constraint of that name is about.
    fn place(&self, of: &str) -> Option<&String> {
        let column = |name: &str| self.schema.places.get(&format!("{}.{name}", self.new.name));
        column(of).or_else(|| {
            let constraint = self.new.constraints.iter().find(|constraint| constraint.name == of)?;
            let mut columns = self.new.columns.iter().map(|column| &*column.name);
            columns.find_map(|name| constraint.rule.names(name).then(|| column(name))?)
        })
    }

    fn altered(&mut self) {
        self.plan.changes.push(Change::Alter(self.object.kind, self.object.name.clone()));
    }

    fn hazard(&mut self, kind: HazardKind, what: &str, of: &str, message: String, help: &str) {
        if self.way.direction == Direction::Forward {
            let origin = self.place(of).or(self.object.origin.as_ref()).cloned();
            let table = &self.new.name;
            let to = if of.is_empty() { table.clone() } else { format!("{table}.{of}") };
            let id = Hazard::id(what, &to);
            // A table of SpecQL's own is nothing that the model could be put right in.
            let help = match &self.object.origin {
                None => "this comes with another version of specql, whose notes say what must be done first",
                Some(_) => help,
            };
            self.plan.hazards.push(Hazard { id, kind, message, help: help.to_owned(), origin });
        }
    }
}

/// Whether rows begin or cease to belong to tenants.
pub(super) fn changes_tenancy(old: &Table, new: &Table) -> bool {
    let has = |table: &Table| table.columns.iter().any(|column| column.name == TENANT);
    has(old) != has(new)
}

/// Does it unless rows stand against it, which is said.
pub(super) fn if_rows_allow(statement: &str, condition: &str) -> String {
    let words = literal(&format!("not done, for rows stand against it: {statement}"));
    let body = format!(
        "BEGIN\n    {statement};\nEXCEPTION WHEN {condition} THEN\n    RAISE WARNING USING MESSAGE = {words};\nEND"
    );
    format!("DO {}", dollar(&body))
}

/// The storage parameters of `WITH (…)`; none without a suffix. `None`: it is something else.
fn parameters(suffix: Option<&str>) -> Option<BTreeMap<String, String>> {
    let Some(suffix) = suffix else { return Some(BTreeMap::new()) };
    let inside = suffix.strip_prefix("WITH (")?.strip_suffix(')')?;
    inside
        .split(',')
        .map(|one| one.split_once('=').map(|(name, value)| (name.trim().into(), value.trim().into())))
        .collect()
}

fn type_of(column: &Column) -> String {
    match &column.generated {
        Some(generated) => format!("`{} {generated}`", column.ty),
        None => format!("`{}`", column.ty),
    }
}
