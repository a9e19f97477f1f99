//! Tables and columns that keep their rows under another name.
//!
//! The old schema is first taken to its new names, by `ALTER … RENAME`; what is left is an ordinary difference.

use super::{key, live_unique::narrowing};
use crate::{
    migrations::plan::{Change, Direction, Hazard, HazardKind, Plan, Step},
    sql::{
        Definition, Object, ObjectKind, Rename, Schema,
        facts::{Facts, Index, Reference},
        object::{Table, TableConstraint, split_name},
        quote::literal,
        rule::Rule,
    },
};

/// The renames that take place between two schemas.
#[derive(Debug, Default)]
pub(super) struct Renames {
    tables: Vec<(String, String)>,
    /// Table (its new name), old and new column.
    columns: Vec<(String, String, String)>,
    /// Keys of schedules.
    schedules: Vec<(String, String)>,
}

/// The names that a table and its columns have before a step.
#[derive(Clone, Debug, Default)]
pub(super) struct NamesBefore<'a> {
    pub(super) table: &'a str,
    /// The name of a column after the step, and that before it, where they differ.
    pub(super) columns: Vec<(&'a str, String)>,
}

impl Renames {
    /// Those that the newer schema says and that are still to be done.
    pub(super) fn between(old: &Schema, new: &Schema, direction: Direction) -> Self {
        let said: Vec<Rename> = match direction {
            Direction::Forward => new.renames.clone(),
            Direction::Reverse => reversed(&old.renames),
        };
        let mut renames = Self::default();
        for rename in &said {
            if let Rename::Table { from, to } = rename
                && find(old, from).is_some()
                && find(new, from).is_none()
                && find(old, to).is_none()
                && find(new, to).is_some()
            {
                renames.tables.push((from.clone(), to.clone()));
            }
        }
        for rename in said {
            let (table, from, to) = match rename {
                Rename::Column { table, from, to } => (table, from, to),
                Rename::Schedule { from, to } => {
                    let is_there = |schema: &Schema, key: &str| schedule(schema, key).is_some();
                    if is_there(old, &from) && !is_there(new, &from) && !is_there(old, &to) && is_there(new, &to) {
                        renames.schedules.push((from, to));
                    }
                    continue;
                }
                Rename::Table { .. } => continue,
            };
            let (Some(before), Some(after)) = (find(old, renames.old_name(&table)), find(new, &table)) else {
                continue;
            };
            if has(before, &from) && !has(before, &to) && has(after, &to) && !has(after, &from) {
                renames.columns.push((table, from, to));
            }
        }
        renames
    }

    /// What stands against renames that the new schema says, and that cannot take place: the new name is still another's, and
    /// what is wanted under it would be dropped in its stead.
    pub(super) fn unappliable(&self, old: &Schema, new: &Schema) -> Vec<Hazard> {
        let mut hazards = Vec::new();
        let mut refuse = |table: &str, id: &str, from: &str, to: &str| {
            let origin =
                new.objects.iter().find(|object| object.name == table).and_then(|object| object.origin.clone());
            hazards.push(Hazard {
                id: Hazard::id("rename", id),
                kind: HazardKind::Impossible,
                message: format!(
                    "`{from}` cannot become `{to}`: there is another `{to}`, which the model no longer has"
                ),
                help: format!("seal a migration without that `{to}` first"),
                origin,
            });
        };
        for rename in &new.renames {
            match rename {
                Rename::Table { from, to } => {
                    let both = find(old, from).is_some() && find(old, to).is_some();
                    if both && find(new, from).is_none() && find(new, to).is_some() {
                        refuse(to, to, from, to);
                    }
                }
                // Nothing is lost with a schedule that is made anew, but what it had counted.
                Rename::Schedule { .. } => {}
                Rename::Column { table, from, to } => {
                    let tables = find(old, self.old_name(table)).zip(find(new, table));
                    if tables.is_some_and(|(before, after)| {
                        has(before, from) && has(before, to) && has(after, to) && !has(after, from)
                    }) {
                        refuse(table, &format!("{table}.{to}"), from, to);
                    }
                }
            }
        }
        hazards
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.columns.is_empty() && self.schedules.is_empty()
    }

    /// What a table with this new name was called.
    pub(super) fn old_name<'a>(&'a self, new: &'a str) -> &'a str {
        self.tables.iter().find(|(_, to)| to == new).map_or(new, |(from, _)| from)
    }

    fn new_name<'a>(&'a self, old: &'a str) -> &'a str {
        self.tables.iter().find(|(from, _)| from == old).map_or(old, |(_, to)| to)
    }

    pub(super) fn columns_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.columns.iter().filter(move |(of, ..)| of == table).map(|(_, from, to)| (from.as_str(), to.as_str()))
    }

    fn touches(&self, table: &str) -> bool {
        self.new_name(table) != table || self.columns_of(table).next().is_some()
    }

    /// Adds the renaming statements to `plan` and returns the old schema under its new names. What cannot be taken along
    /// (views, policies: whatever is made again anyway) keeps its old one.
    pub(super) fn carry_out(&self, old: &Schema, new: &Schema, plan: &mut Plan) -> Schema {
        let mut renamed = old.clone();
        let mut statements = Vec::new();
        for object in &mut renamed.objects {
            match &object.definition {
                Definition::Table(table) if self.touches(&table.name) => {
                    let after = find(new, self.new_name(&table.name));
                    let table = self.table(table, after, &new.objects, &mut statements);
                    object.name.clone_from(&table.name);
                    object.definition = Definition::Table(table);
                }
                _ => {}
            }
        }
        for object in &mut renamed.objects {
            if matches!(object.kind, ObjectKind::Constraint | ObjectKind::Index) {
                self.follow(object, old, new, &mut statements);
            }
        }
        for (from, to) in &self.schedules {
            let found = renamed.objects.iter_mut().find(|object| is_schedule(object, from));
            if let Some(object) = found {
                object.name = schedule_name(to);
                statements.push(format!(
                    "UPDATE jobs.tb_schedule SET key = {} WHERE key = {}",
                    literal(to),
                    literal(from)
                ));
            }
        }
        for (from, to) in &self.tables {
            plan.changes.push(Change::Rename { from: from.clone(), to: to.clone() });
            plan.breaking.push(format!("table {from} is now {to}"));
        }
        for (table, from, to) in &self.columns {
            if !from.starts_with("pk_") {
                plan.changes.push(Change::Rename { from: format!("{table}.{from}"), to: format!("{table}.{to}") });
                plan.breaking.push(format!("column {from} of {table} is now {to}"));
            }
        }
        let origin = self.tables.first().and_then(|(_, to)| new.objects.iter().find(|object| object.name == *to));
        let origin = origin.and_then(|object| object.origin.clone());
        plan.steps.push(Step { origin, statements, ..Step::default() });
        renamed
    }

    /// `objects` are the new ones.
    fn table(&self, old: &Table, new: Option<&Table>, objects: &[Object], statements: &mut Vec<String>) -> Table {
        let mut table = old.clone();
        table.name = self.new_name(&old.name).to_owned();
        let (Some((old_schema, old_bare)), Some((schema, bare))) = (split_name(&old.name), split_name(&table.name))
        else {
            return table;
        };
        if schema != old_schema {
            statements.push(format!("ALTER TABLE {} SET SCHEMA {schema}", old.name));
        }
        if bare != old_bare {
            statements.push(format!("ALTER TABLE {schema}.{old_bare} RENAME TO {bare}"));
        }
        for column in &mut table.columns {
            let before = column.name.clone();
            if let Some((from, to)) = self.columns_of(&table.name).find(|(from, _)| *from == before) {
                statements.push(format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", table.name));
                column.name = to.to_owned();
            }
            let (old_sequence, sequence) = (sequence(old_bare, &before), sequence(bare, &column.name));
            if column.generated.is_some() && old_sequence != sequence {
                statements.push(format!("ALTER SEQUENCE {schema}.{old_sequence} RENAME TO {sequence}"));
            }
        }
        for constraint in &mut table.constraints {
            for (from, to) in self.columns_of(&table.name) {
                constraint.rule = renamed_rule(&constraint.rule, from, to);
            }
            let unused = |name: &str| old.constraints.iter().all(|before| before.name != name);
            let same = new.and_then(|new| same_definition(constraint, new, unused));
            // An index that comes in its place takes its name from it, not another's.
            let successor = narrowing(constraint, &table.name, objects).map(|index| index.name);
            if let Some(name) = same.or(successor.filter(|name| unused(name))) {
                statements.push(format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {name}", table.name, constraint.name));
                constraint.name = name.to_owned();
            }
        }
        table
    }

    /// A foreign key or an index that goes on under the new names.
    fn follow(&self, object: &mut Object, old: &Schema, new: &Schema, statements: &mut Vec<String>) {
        let Some(wanted) = self.renamed(object.facts()).filter(|wanted| wanted != object.facts()) else { return };
        let is_new = |candidate: &Object| {
            key(candidate) == key(object) || old.objects.iter().all(|before| key(before) != key(candidate))
        };
        let mut same = new.objects.iter().filter(|candidate| candidate.kind == object.kind && is_new(candidate));
        let same = same.find(|candidate| *candidate.facts() == wanted);
        let Some(same) = same else { return };
        let (before, after) = (object.own_name(), same.own_name());
        if before != after {
            statements.push(match (&wanted, split_name(&same.name)) {
                (Facts::Reference(Reference { table, .. }), _) => {
                    format!("ALTER TABLE {table} RENAME CONSTRAINT {before} TO {after}")
                }
                (_, Some((schema, _))) => format!("ALTER INDEX {schema}.{before} RENAME TO {after}"),
                _ => return,
            });
        }
        let origin = object.origin.take();
        *object = Object { origin, ..same.clone() };
    }

    /// A foreign key or an index under the new names.
    fn renamed(&self, facts: &Facts) -> Option<Facts> {
        let names = |table: &str, columns: &[String]| -> (String, Vec<String>) {
            let table = self.new_name(table);
            let renamed = |column: &String| {
                self.columns_of(table).fold(column.clone(), |column, (from, to)| replace_name(&column, from, to))
            };
            (table.to_owned(), columns.iter().map(renamed).collect())
        };
        // What stands behind the columns names those of its own table.
        let suffix = |table: &str, suffix: &Option<String>| Some(names(table, &[suffix.clone()?]).1.remove(0));
        Some(match facts {
            Facts::Index(index) => {
                let (table, keys) = names(&index.table, &index.keys);
                let suffix = suffix(&index.table, &index.suffix);
                Facts::Index(Index { table, keys, suffix, ..index.clone() })
            }
            Facts::Reference(reference) => {
                let (table, columns) = names(&reference.table, &reference.columns);
                let (target, target_columns) = names(&reference.target, &reference.target_columns);
                let suffix = suffix(&reference.table, &reference.suffix);
                Facts::Reference(Reference { table, columns, target, target_columns, suffix })
            }
            _ => return None,
        })
    }

    /// The text of a function that nobody writes anew, under the new names. `Err`: a renamed column that may also be another
    /// table's in that text.
    pub(super) fn rewrite(&self, text: &str, old: &Schema) -> Result<String, String> {
        let mut out = text.to_owned();
        for (table, from, to) in &self.columns {
            let old_table = self.old_name(table);
            let renamed = replace_column(&out, from, to);
            if !contains_name(text, old_table) || renamed == out {
                continue;
            }
            let others = tables(old).filter(|other| other.name != old_table && contains_name(text, &other.name));
            if others.into_iter().any(|other| has(other, from)) {
                return Err(format!("column `{from}` of `{old_table}`, which another table that it names has too"));
            }
            out = renamed;
        }
        for (from, to) in &self.tables {
            out = replace_name(&out, from, to);
        }
        Ok(out)
    }
}

fn reversed(renames: &[Rename]) -> Vec<Rename> {
    let old_name = |table: &String| {
        let found = renames.iter().find_map(|rename| match rename {
            Rename::Table { from, to } if to == table => Some(from),
            _ => None,
        });
        found.unwrap_or(table).clone()
    };
    let turned = |rename: &Rename| match rename {
        Rename::Table { from, to } => Rename::Table { from: to.clone(), to: from.clone() },
        Rename::Schedule { from, to } => Rename::Schedule { from: to.clone(), to: from.clone() },
        Rename::Column { table, from, to } => {
            Rename::Column { table: old_name(table), from: to.clone(), to: from.clone() }
        }
    };
    renames.iter().map(turned).collect()
}

/// A rule after a column of its table got another name.
fn renamed_rule(rule: &Rule, from: &str, to: &str) -> Rule {
    let name = |column: &String| if column == from { to.to_owned() } else { column.clone() };
    let names = |columns: &[String]| columns.iter().map(name).collect();
    match rule {
        Rule::PrimaryKey(columns) => Rule::PrimaryKey(names(columns)),
        Rule::Unique(columns) => Rule::Unique(names(columns)),
        Rule::Check { condition, columns, free } if rule.names(from) => {
            Rule::Check { condition: replace_name(condition, from, to), columns: names(columns), free: *free }
        }
        Rule::Check { .. } => rule.clone(),
        Rule::Other(text) => Rule::Other(replace_name(text, from, to)),
    }
}

/// The name of a constraint of the new table that says the same.
fn same_definition<'a>(constraint: &TableConstraint, new: &'a Table, unused: impl Fn(&str) -> bool) -> Option<&'a str> {
    if new.constraints.iter().any(|same| same.name == constraint.name) {
        return None;
    }
    let same = new.constraints.iter().find(|same| same.rule == constraint.rule && unused(&same.name))?;
    Some(&same.name)
}

fn tables(schema: &Schema) -> impl Iterator<Item = &Table> {
    schema.objects.iter().filter_map(|object| match &object.definition {
        Definition::Table(table) => Some(table),
        Definition::Statements { .. } => None,
    })
}

fn find<'a>(schema: &'a Schema, name: &str) -> Option<&'a Table> {
    tables(schema).find(|table| table.name == name)
}

fn schedule_name(key: &str) -> String {
    format!("schedule {key}")
}

fn is_schedule(object: &Object, key: &str) -> bool {
    object.kind == ObjectKind::Data && object.name == schedule_name(key)
}

fn schedule<'a>(schema: &'a Schema, key: &str) -> Option<&'a Object> {
    schema.objects.iter().find(|object| is_schedule(object, key))
}

fn has(table: &Table, column: &str) -> bool {
    table.columns.iter().any(|known| known.name == column)
}

/// The name of an identity column's sequence, as PostgreSQL makes it: `<table>_<column>_seq`, of which the longer part is
/// cut until the whole fits (`makeObjectName` of its `indexcmds.c`).
fn sequence(table: &str, column: &str) -> String {
    let plain = |name: &str| name.trim_matches('"').replace("\"\"", "\"");
    let (mut table, mut column) = (plain(table), plain(column));
    while table.len() + column.len() + "__seq".len() > crate::model::names::MAX_IDENTIFIER {
        let longer = if table.len() > column.len() { &mut table } else { &mut column };
        longer.pop();
    }
    crate::sql::quote::ident(&format!("{table}_{column}_seq"))
}

/// `text` with each `from` that stands as a whole name in code as `to`: literals and comments stay.
fn replace_name(text: &str, from: &str, to: &str) -> String {
    replace_where(text, from, to, |_| true)
}

/// `text` with each of these names that stands as a whole name in code as its value: in one pass, so that nothing in a value is taken
/// for a name.
pub(super) fn replace_names(text: &str, values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    for (is_code, part) in pieces(text) {
        let mut rest = part;
        while is_code && !rest.is_empty() {
            let quoted = rest.strip_prefix('"').and_then(|inside| inside.find('"')).map(|end| end + 2);
            let word = rest.find(|character| !in_name(character)).unwrap_or(rest.len());
            let length = quoted.unwrap_or(word).max(rest.chars().next().map_or(1, char::len_utf8));
            let (name, behind) = rest.split_at(length);
            // Behind `::` stands a type.
            let value = values.iter().find(|(known, _)| *known == name).filter(|_| !out.ends_with("::"));
            out.push_str(value.map_or(name, |(_, value)| value));
            rest = behind;
        }
        if !is_code {
            out.push_str(part);
        }
    }
    out
}

/// The same, in a callback's text, for a column: what a callback is told of its job has names of its own.
fn replace_column(text: &str, from: &str, to: &str) -> String {
    let of_the_job = |before: &str| {
        let aliased = before.strip_suffix("c.").is_some_and(|before| !before.ends_with(in_name));
        let listed = before.rfind("_context (").is_some_and(|start| !before[start..].contains(')'));
        aliased || listed || before.ends_with("_context.")
    };
    replace_where(text, from, to, |before| !of_the_job(before))
}

/// Whether `text` holds `name` as a whole name, not as a part of a longer one.
fn contains_name(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(start, found)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text.get(start + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(in_name) && !after.is_some_and(in_name)
    })
}

/// Whether a name goes on with this character.
fn in_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// `wanted` is given what stands before the name, back to the last literal or comment.
fn replace_where(text: &str, from: &str, to: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (is_code, part) in pieces(text) {
        if !is_code {
            out.push_str(part);
            continue;
        }
        let mut rest = 0;
        for (start, found) in part.match_indices(from) {
            let before = part[..start].chars().next_back();
            let after = part[start + found.len()..].chars().next();
            let whole = !before.is_some_and(in_name) && !after.is_some_and(in_name);
            if start >= rest && whole && wanted(&part[..start]) {
                out.push_str(&part[rest..start]);
                out.push_str(to);
                rest = start + found.len();
            }
        }
        out.push_str(&part[rest..]);
    }
    out
}

/// The text in pieces: code, and (false) string literals and comments to the end of a line. What dollars quote is code.
fn pieces(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (is_code, length) = if let Some(inside) = rest.strip_prefix('\'') {
            // A doubled quote ends one literal and begins the next, which comes to the same.
            (false, inside.find('\'').map_or(rest.len(), |end| end + 2))
        } else if rest.starts_with("--") {
            (false, rest.find('\n').unwrap_or(rest.len()))
        } else {
            let next = [rest.find('\''), rest.find("--")].into_iter().flatten().min();
            (true, next.unwrap_or(rest.len()))
        };
        let (piece, after) = rest.split_at(length);
        rest = after;
        Some((is_code, piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::object::Column;

    #[test]
    fn a_name_is_replaced_as_a_whole_and_never_in_a_literal() {
        let text = "UPDATE s.tb_order SET state = 'state', x_state = t.state WHERE note = 'it''s state'";
        assert_eq!(
            replace_name(text, "state", "status"),
            "UPDATE s.tb_order SET status = 'state', x_state = t.status WHERE note = 'it''s state'"
        );
        assert_eq!(replace_name("s.tb_order s.tb_order_line", "s.tb_order", "s.tb_sale"), "s.tb_sale s.tb_order_line");
    }

    #[test]
    fn what_a_callback_is_told_of_its_job_is_no_column() {
        let text = "SELECT c.operation, c.attempts\nINTO _context\nFROM jobs.callback_context(_job_run_id) AS c;\n\
                    UPDATE s.tb_order AS t SET operation = _context.operation || _order.operation WHERE t.operation = 'operation';\n\
                    FROM unnest(_jobs) AS _context (_job_run_id, operation, attempts) WHERE operation IS NULL";
        let renamed = "SELECT c.operation, c.attempts\nINTO _context\nFROM jobs.callback_context(_job_run_id) AS c;\n\
                       UPDATE s.tb_order AS t SET action = _context.operation || _order.action WHERE t.action = 'operation';\n\
                       FROM unnest(_jobs) AS _context (_job_run_id, operation, attempts) WHERE action IS NULL";
        assert_eq!(replace_column(text, "operation", "action"), renamed);
        assert_eq!(replace_column(text, "attempts", "tries"), text);
    }

    #[test]
    fn a_comment_may_hold_an_apostrophe() {
        let text = "a = 1; -- the a's\nb = a;";
        assert_eq!(replace_name(text, "a", "c"), "c = 1; -- the a's\nb = c;");
    }

    #[test]
    fn a_long_sequence_is_cut_as_postgresql_does_it() {
        assert_eq!(sequence("tb_order", "pk_order"), "tb_order_pk_order_seq");
        let (table, column) = (format!("tb_{}", "a".repeat(40)), format!("pk_{}", "a".repeat(40)));
        let name = sequence(&table, &column);
        assert_eq!(name, format!("tb_{}_pk_{}_seq", "a".repeat(26), "a".repeat(26)));
        assert_eq!(name.len(), 63);
    }

    fn with_tables(tables: &[(&str, &[&str])], renames: &[Rename]) -> Schema {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            ty: "TEXT".to_owned(),
            not_null: false,
            default: None,
            generated: None,
            comment: None,
        };
        let object = |(name, columns): &(&str, &[&str])| Object {
            kind: ObjectKind::Table,
            name: (*name).to_owned(),
            origin: None,
            needs: Vec::new(),
            definition: Definition::Table(Table {
                name: (*name).to_owned(),
                columns: columns.iter().map(column).collect(),
                constraints: Vec::new(),
                suffix: None,
                comment: None,
            }),
        };
        Schema { objects: tables.iter().map(object).collect(), renames: renames.to_vec(), ..Schema::default() }
    }

    fn refusals(old: &Schema, new: &Schema) -> Vec<String> {
        let hazards = crate::migrations::diff(old, new, Direction::Forward).hazards;
        let impossible = hazards.into_iter().filter(|hazard| hazard.kind == HazardKind::Impossible);
        impossible.map(|hazard| hazard.id).collect()
    }

    #[test]
    fn a_rename_to_a_name_that_is_still_another_s_is_refused_and_not_taken_for_a_drop() {
        let column = Rename::Column { table: "s.tb_a".to_owned(), from: "b".to_owned(), to: "a".to_owned() };
        let (both, one) = (with_tables(&[("s.tb_a", &["a", "b"])], &[]), with_tables(&[("s.tb_a", &["a"])], &[column]));
        assert_eq!(refusals(&both, &one), ["rename:s.tb_a.a"]);
        let table = Rename::Table { from: "s.tb_b".to_owned(), to: "s.tb_a".to_owned() };
        let (both, one) =
            (with_tables(&[("s.tb_a", &[]), ("s.tb_b", &[])], &[]), with_tables(&[("s.tb_a", &[])], &[table]));
        assert_eq!(refusals(&both, &one), ["rename:s.tb_a"]);
        // When the rename has taken place, `renamed_from` has no effect and does no harm.
        assert!(refusals(&with_tables(&[("s.tb_a", &[])], &[]), &one).is_empty());
    }

    #[test]
    fn a_quoted_name_may_hold_a_dot() {
        assert_eq!(split_name("sales.tb_order"), Some(("sales", "tb_order")));
        assert_eq!(split_name("\"a.b\".\"c\""), Some(("\"a.b\"", "\"c\"")));
    }
}
