//! What is unique among live rows: an index that leaves deleted ones out.
//!
//! Earlier versions of SpecQL made it a constraint over all rows. The index has that constraint's name, which `conflict:` results
//! show, and so it is first made beside it under another one. In its last file the step drops the constraint and renames the index:
//! there is no moment at which two live rows may be equal, nor one at which a conflict has another name.

use std::collections::BTreeMap;

use super::{Diff, Key, rows::Rows, table};
use crate::{
    migrations::plan::Change,
    model::names,
    sql::{
        Object, ObjectKind,
        facts::{Facts, Index},
        object::{Table, TableConstraint, split_name},
        quote::{ident, literal},
        rule::Rule,
    },
};

/// Such an index. All names are as SQL writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LiveUnique<'a> {
    /// `sales`.
    schema: &'a str,
    /// `uq_order__number`.
    pub(super) name: &'a str,
    /// `sales.tb_order`, and the columns: `tenant_id`, `number`.
    index: &'a Index,
}

impl<'a> LiveUnique<'a> {
    /// The index, where it is of this kind.
    pub(super) fn read(object: &'a Object) -> Option<Self> {
        let Facts::Index(index) = object.facts() else { return None };
        let (schema, name) = split_name(&object.name)?;
        (index.unique && index.is_of_live_rows()).then_some(Self { schema, name, index })
    }

    /// Its table.
    pub(super) fn table(&self) -> &'a str {
        &self.index.table
    }

    /// Whether it says of live rows what the constraint, of the same table, says of all.
    pub(super) fn narrows(&self, constraint: &TableConstraint) -> bool {
        matches!(&constraint.rule, Rule::Unique(columns) if *columns == self.index.keys)
    }

    /// Whether it takes the place of a constraint of the table.
    pub(super) fn succeeds_one_of(&self, table: &Table) -> bool {
        table.constraints.iter().any(|constraint| constraint.name == self.name && self.narrows(constraint))
    }

    /// Its columns.
    pub(super) fn columns(&self) -> &'a [String] {
        &self.index.keys
    }

    /// What it is called while the constraint in whose place it comes has its name. No derived name begins so.
    fn first_name(&self) -> String {
        ident(&names::derived(&format!("new_{}", self.name.trim_matches('"'))))
    }

    /// The statement that makes it beside the constraint.
    pub(super) fn make_beside(&self) -> String {
        self.index.create_concurrently(&self.first_name())
    }

    /// The statements that put it in the constraint's place. Where the way back could not restore the constraint there is none.
    pub(super) fn succeed(&self) -> [String; 3] {
        let Self { schema, name, index: Index { table, .. } } = self;
        let index = format!("{schema}.{}", self.first_name());
        [
            // Whoever runs the files by hand may have passed over an index that failed: nothing would be unique any more.
            format!(
                "DO $specql$\nBEGIN\n    IF NOT EXISTS (\n        SELECT FROM pg_catalog.pg_index AS i\n        \
                 WHERE i.indexrelid = pg_catalog.to_regclass({}) AND i.indisvalid)\n    THEN\n        \
                 RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',\n            MESSAGE = {},\n            \
                 HINT = 'run the file before this one again';\n    END IF;\nEND\n$specql$",
                literal(&index),
                literal(&format!("index {index} is not there, or was not finished; nothing was changed")),
            ),
            format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"),
            format!("ALTER INDEX {schema}.{} RENAME TO {name}", self.first_name()),
        ]
    }

    /// The statements that unmake it on the way back, however far the step came that made it: the constraint in whose place it
    /// comes may still have its name.
    pub(super) fn unmake(&self) -> Vec<String> {
        let Self { schema, name, index: Index { table, .. } } = self;
        vec![
            format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"),
            format!("DROP INDEX IF EXISTS {schema}.{name}"),
            format!("DROP INDEX IF EXISTS {schema}.{}", self.first_name()),
        ]
    }
}

/// The index of `objects` that says of the live rows of `table` what the constraint says of all.
pub(super) fn narrowing<'a>(
    constraint: &TableConstraint,
    table: &str,
    objects: &'a [Object],
) -> Option<LiveUnique<'a>> {
    let mut indexes = objects.iter().filter_map(LiveUnique::read);
    indexes.find(|index| index.table() == table && index.narrows(constraint))
}

impl<'a> Diff<'a> {
    /// The table of an index as it was, and whether its rows begin or cease to belong to tenants.
    pub(super) fn table_of(&self, index: &LiveUnique<'_>) -> (Option<&'a Table>, bool) {
        let find = |of: &BTreeMap<Key<'a>, &'a Object>| of.get(&(ObjectKind::Table, index.table()))?.table();
        let (before, after) = (find(&self.before), find(&self.after));
        (before, before.zip(after).is_some_and(|(before, after)| table::changes_tenancy(before, after)))
    }

    /// The statement that raises where rows stand against a new index. `None` where they cannot be asked before the step.
    pub(super) fn no_equal_rows(&self, index: &LiveUnique<'_>) -> Option<String> {
        let object = self.before.get(&(ObjectKind::Table, index.table()))?;
        let before = object.table()?;
        let names = self.names_before(index.table());
        let is_there = |key: &String| before.columns.iter().any(|column| column.name == *key);
        let keys = index.columns();
        if !keys.iter().all(is_there) {
            return None;
        }
        let table = names.table;
        let before_of = |key: &String| {
            names.columns.iter().find(|(new, _)| *new == key.as_str()).map_or(key.clone(), |(_, old)| old.clone())
        };
        let of =
            |alias: &str| keys.iter().map(|key| format!("{alias}.{}", before_of(key))).collect::<Vec<_>>().join(", ");
        let (named, of_other) = (of("t"), of("o"));
        let condition = format!(
            "t.deleted_at IS NULL AND ({named}) IN (SELECT {of_other} FROM {table} AS o WHERE o.deleted_at IS NULL GROUP BY {of_other} \
             HAVING count(*) > 1)"
        );
        let told: Vec<&str> = keys.iter().map(String::as_str).filter(|key| *key != table::TENANT).collect();
        let message = format!("rows of {} are equal in {}; nothing was changed", index.table(), told.join(" and "));
        Some(Rows::of(before, table)?.none_may(Some(&condition), &message, "put them right first"))
    }

    /// Whether no two rows that can be there are equal in the columns of a new or changed index.
    pub(super) fn rows_fit(&self, index: &LiveUnique<'_>) -> bool {
        let (before, changes_tenancy) = self.table_of(index);
        let Some(before) = before else { return true };
        // One sentence about the tenants says it all.
        if changes_tenancy || index.succeeds_one_of(before) {
            return true;
        }
        // A new column that nothing fills is NULL in every row, and equals nothing.
        let Some(after) = self.after.get(&(ObjectKind::Table, index.table())).and_then(|table| table.table()) else {
            return false;
        };
        let is_empty = |name: &String| {
            let column = after.columns.iter().find(|column| column.name == *name);
            column.is_some_and(|column| column.default.is_none())
                && before.columns.iter().all(|column| column.name != *name)
                && !self.new.backfills.contains_key(&format!("{}.{name}", index.table()))
        };
        index.columns().iter().any(is_empty)
    }
}

/// What changes with an object. What is unique is said to be a change of its table.
pub(super) fn change_of(object: &Object, change: impl Fn(ObjectKind, String) -> Change) -> Change {
    match LiveUnique::read(object) {
        Some(index) => Change::Alter(ObjectKind::Table, index.table().to_owned()),
        None => change(object.kind, object.name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        migrations::{Direction, Plan, diff, plan::Phase},
        sql::{
            Definition, Schema,
            object::{Column, TableConstraint},
            read,
        },
    };

    const LIVE: &str = "CREATE UNIQUE INDEX uq ON sales.tb_order (tenant_id, a) WHERE deleted_at IS NULL";

    fn orders(columns: &[&str], constraints: &[(&str, &str)]) -> Object {
        let constraint = |(name, definition): &(&str, &str)| TableConstraint {
            name: (*name).to_owned(),
            rule: Rule::read(definition, &[]),
        };
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            ty: "TEXT".to_owned(),
            not_null: false,
            default: None,
            generated: None,
            comment: None,
        };
        let definition = Definition::Table(Table {
            name: "sales.tb_order".to_owned(),
            columns: columns.iter().map(column).collect(),
            constraints: constraints.iter().map(constraint).collect(),
            suffix: None,
            comment: None,
        });
        Object {
            kind: ObjectKind::Table,
            name: "sales.tb_order".to_owned(),
            origin: None,
            needs: Vec::new(),
            definition,
        }
    }

    fn index(text: &str) -> Object {
        read::object(ObjectKind::Index, "sales.uq", vec![text.to_owned()])
    }

    fn schema(objects: Vec<Object>) -> Schema {
        Schema { objects, ..Schema::default() }
    }

    fn told(plan: &Plan) -> Vec<(Phase, &str)> {
        plan.steps.iter().flat_map(|step| step.statements.iter().map(|text| (step.phase, text.as_str()))).collect()
    }

    #[test]
    fn an_index_is_made_beside_the_constraint_whose_place_it_takes() {
        let before = schema(vec![orders(&["tenant_id", "a"], &[("uq", "UNIQUE (tenant_id, a)")])]);
        let after = schema(vec![orders(&["tenant_id", "a"], &[]), index(LIVE)]);
        let plan = diff(&before, &after, Direction::Forward);
        assert_eq!(plan.hazards, []);
        let told_of = told(&plan);
        assert!(told_of[0].0 == Phase::Finish && told_of[0].1.contains("to_regclass('sales.new_uq') AND i.indisvalid"));
        assert_eq!(
            told_of[1..],
            [
                (Phase::Finish, "ALTER TABLE sales.tb_order DROP CONSTRAINT IF EXISTS uq"),
                (Phase::Finish, "ALTER INDEX sales.new_uq RENAME TO uq"),
                (
                    Phase::Concurrently,
                    "CREATE UNIQUE INDEX CONCURRENTLY new_uq ON sales.tb_order (tenant_id, a) WHERE deleted_at IS NULL"
                ),
            ]
        );
        let back = diff(&after, &before, Direction::Reverse);
        let back = told(&back);
        assert_eq!(
            back[..3].iter().map(|(_, text)| *text).collect::<Vec<_>>(),
            [
                "ALTER TABLE sales.tb_order DROP CONSTRAINT IF EXISTS uq",
                "DROP INDEX IF EXISTS sales.uq",
                "DROP INDEX IF EXISTS sales.new_uq"
            ]
        );
        assert!(back[3].1.contains("ADD CONSTRAINT uq UNIQUE (tenant_id, a);\nEXCEPTION"), "{back:#?}");
    }

    #[test]
    fn a_constraint_of_other_columns_makes_way_before_the_index() {
        let before = schema(vec![orders(&["a", "b"], &[("uq", "UNIQUE (b)")])]);
        let one = "CREATE UNIQUE INDEX uq ON sales.tb_order (a) WHERE deleted_at IS NULL";
        let plan = diff(&before, &schema(vec![orders(&["a", "b"], &[]), index(one)]), Direction::Forward);
        assert_eq!(
            told(&plan),
            [
                (Phase::Main, "ALTER TABLE sales.tb_order DROP CONSTRAINT uq"),
                (
                    Phase::Concurrently,
                    "CREATE UNIQUE INDEX CONCURRENTLY uq ON sales.tb_order (a) WHERE deleted_at IS NULL"
                ),
            ]
        );
        assert_eq!(plan.hazards.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["unique_index:sales.uq"]);
    }

    #[test]
    fn rows_may_be_equal_unless_a_column_is_new_and_nothing_fills_it() {
        let after = || schema(vec![orders(&["tenant_id", "a"], &[]), index(LIVE)]);
        let ids = |before: &[&str], after: &Schema| -> Vec<String> {
            let plan = diff(&schema(vec![orders(before, &[])]), after, Direction::Forward);
            plan.hazards.into_iter().map(|hazard| hazard.id).collect()
        };
        assert_eq!(ids(&["tenant_id"], &after()), [] as [&str; 0]);
        assert_eq!(ids(&["tenant_id", "a"], &after()), ["unique_index:sales.uq"]);
        let mut filled = after();
        filled.backfills.insert("sales.tb_order.a".to_owned(), "'x'".to_owned());
        assert_eq!(ids(&["tenant_id"], &filled), ["unique_index:sales.uq"]);
    }
}
