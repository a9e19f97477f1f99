//! What is asked of a table's rows before a step begins, and what fills them on its way.
//!
//! Each is one `DO` that commits as it goes, so that nobody waits for it: its file runs outside of a transaction. Rows of tenants are
//! looked at tenant by tenant, for row level security binds the owner, too.

use super::table::TENANT;
use crate::sql::{
    object::Table,
    quote::{dollar, literal},
    rule::Rule,
};

/// Rows that are filled in one transaction.
const BATCH: u32 = 1_000;

/// Rows of one table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    /// `sales.tb_order`.
    pub(super) table: &'a str,
    /// Its primary key's column.
    pub(super) key: &'a str,
    /// Whether each row is a tenant's.
    pub(super) of_tenants: bool,
}

impl<'a> Rows<'a> {
    /// Those of a table, which has this name; `None` where they have no key.
    pub(super) fn of(table: &'a Table, name: &'a str) -> Option<Self> {
        let key = table.constraints.iter().find_map(|constraint| match &constraint.rule {
            Rule::PrimaryKey(columns) => columns.first(),
            _ => None,
        })?;
        let of_tenants = table.columns.iter().any(|column| column.name == TENANT);
        Some(Self { table: name, key, of_tenants })
    }
}

impl Rows<'_> {
    /// The statement that raises, with `message` and the statement that finds them, when there are rows that meet `condition`.
    pub(super) fn none_may(&self, condition: Option<&str>, message: &str, way_out: &str) -> String {
        let condition = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        let find = format!("SELECT t.id FROM {} AS t{condition}", self.table);
        let exists = format!("EXISTS (SELECT FROM {} AS t{condition})", self.table);
        let raise = |hint: &str, depth: usize| {
            format!(
                "{0:depth$}IF {exists} THEN\n{0:depth$}    RAISE EXCEPTION USING ERRCODE = 'check_violation',\n{0:depth$}        \
                 MESSAGE = {1},\n{0:depth$}        HINT = {hint};\n{0:depth$}END IF;\n",
                "",
                literal(message)
            )
        };
        if !self.of_tenants {
            let hint = literal(&format!("{way_out}; these rows are found by: {find}"));
            return format!("DO {}", dollar(&format!("BEGIN\n{}END", raise(&hint, 4))));
        }
        let act = "SELECT set_config('app.tenant_id', ";
        let hint = format!(
            "{} || quote_literal(_tenant) || {}",
            literal(&format!("{way_out}; these rows are found by: {act}")),
            literal(&format!(", false); {find}"))
        );
        self.by_tenant("", &format!("{}        COMMIT;\n", raise(&hint, 8)))
    }

    /// The statement that gives columns the values of expressions in all rows that have none. A row that lacks several gets them at
    /// once: constraints may demand all of them already.
    pub(super) fn fill(&self, columns: &[(String, String)]) -> String {
        let declarations = "    _after BIGINT;\n    _last BIGINT;\n";
        if !self.of_tenants {
            let body = format!("DECLARE\n{declarations}BEGIN\n{}END", self.batches(columns, 4));
            return format!("DO {}", dollar(&body));
        }
        self.by_tenant(declarations, &self.batches(columns, 8))
    }

    /// Goes through the rows in the order of their keys, so that it ends whatever the values are.
    fn batches(&self, columns: &[(String, String)], depth: usize) -> String {
        let Self { table, key, of_tenants } = self;
        // What is set for a transaction ends with it.
        let act = if *of_tenants {
            format!("{:depth$}    PERFORM set_config('app.tenant_id', _tenant::text, true);\n", "")
        } else {
            String::new()
        };
        let (sets, lacks) = match columns {
            [(column, value)] => (format!("{column} = {value}"), format!("t.{column} IS NULL")),
            several => {
                let set = |(column, value): &(String, String)| format!("{column} = coalesce(t.{column}, {value})");
                let sets: Vec<String> = several.iter().map(set).collect();
                let lacks: Vec<String> = several.iter().map(|(column, _)| format!("t.{column} IS NULL")).collect();
                (sets.join(&format!(",\n{:depth$}        ", "")), format!("({})", lacks.join(" OR ")))
            }
        };
        format!(
            "{0:depth$}_after := -9223372036854775808;\n{0:depth$}LOOP\n{act}\
             {0:depth$}    SELECT max(b.{key}) INTO _last\n\
             {0:depth$}    FROM (SELECT i.{key} FROM {table} AS i WHERE i.{key} > _after ORDER BY i.{key} LIMIT {BATCH}) AS b;\n\
             {0:depth$}    EXIT WHEN _last IS NULL;\n\
             {0:depth$}    UPDATE {table} AS t SET {sets}\n\
             {0:depth$}    WHERE t.{key} > _after AND t.{key} <= _last AND {lacks};\n\
             {0:depth$}    COMMIT;\n\
             {0:depth$}    _after := _last;\n\
             {0:depth$}END LOOP;\n",
            ""
        )
    }

    /// Does the same for each tenant. To list them, the owner is let loose for one short transaction.
    fn by_tenant(&self, declarations: &str, body: &str) -> String {
        let table = self.table;
        let body = format!(
            "DECLARE\n    _tenants UUID[];\n    _tenant UUID;\n{declarations}BEGIN\n    \
             ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;\n    \
             WITH RECURSIVE tenants (id) AS (\n        \
             (SELECT f.tenant_id FROM {table} AS f ORDER BY f.tenant_id LIMIT 1)\n        \
             UNION ALL\n        \
             SELECT (SELECT n.tenant_id FROM {table} AS n WHERE n.tenant_id > p.id ORDER BY n.tenant_id LIMIT 1)\n        \
             FROM tenants AS p WHERE p.id IS NOT NULL)\n    \
             SELECT coalesce(array_agg(p.id), '{{}}') INTO _tenants FROM tenants AS p WHERE p.id IS NOT NULL;\n    \
             ALTER TABLE {table} FORCE ROW LEVEL SECURITY;\n    COMMIT;\n    \
             FOREACH _tenant IN ARRAY _tenants LOOP\n        \
             PERFORM set_config('app.tenant_id', _tenant::text, true);\n{body}    END LOOP;\nEND"
        );
        format!("DO {}", dollar(&body))
    }
}
