//! Which statements of a migration would lock a table that holds rows for long: rules over PostgreSQL's own grammar.
//!
//! A step is judged as a whole, file by file, against the tables that were there before it. The rules are those that squawk,
//! the linter of migrations, publishes (<https://squawkhq.com/docs/rules>), as far as they are about locks or rows:
//!
//! | rule here | what it finds | squawk's rules |
//! |---|---|---|
//! | `index-not-concurrently` | an index, or a constraint that makes one, built under a lock | `require-concurrent-index-creation`, `disallowed-unique-constraint` |
//! | `concurrently-in-a-transaction` | `CONCURRENTLY` where PostgreSQL refuses it | `ban-concurrent-index-creation-in-transaction` |
//! | `not-alone` | a second statement in a `-- no-transaction` file: they would be one transaction after all | `ban-concurrent-index-creation-in-transaction` |
//! | `checked-at-once` | a CHECK or foreign key that reads all rows under its lock | `constraint-missing-not-valid`, `adding-foreign-key-constraint` |
//! | `validated-under-a-lock` | `VALIDATE` behind anything else in its transaction | `constraint-missing-not-valid` |
//! | `not-null-by-a-scan` | `SET NOT NULL` that no validated CHECK has proven | `adding-not-nullable-field` |
//! | `required-without-default` | a new column that fails where there are rows | `adding-required-field` |
//! | `rewrite` | a volatile default, a generated or identity column, another type, `CLUSTER` and the like | `adding-field-with-default`, `adding-serial-primary-key-field`, `changing-column-type`, `prefer-repack`, `require-concurrent-reindex` |
//! | `changes-rows` | an UPDATE or DELETE of a table's rows, locked until the transaction's end | |
//! | `explicit-lock` | `LOCK TABLE` | |
//! | `drop-not-allowed` | a table or column that goes without having been allowed to | `ban-drop-column`, `ban-drop-table` |
//! | (the grammar) | what does not parse | `syntax-error` |
//!
//! `rewrite` and `drop-not-allowed` give way to a hazard that was allowed, which the file's first comment must name. Of squawk's others,
//! `renaming-column` and `renaming-table` give way to `renamed_from`, and `min_compatible` keeps older binaries off;
//! `ban-drop-not-null` is about clients that expect a value, which are built from the same model. `prefer-bigint-over-int`,
//! `prefer-bigint-over-smallint`, `prefer-identity`, `prefer-text-field`, `prefer-timestamptz`, `ban-char-field`,
//! `require-table-schema` and `identifier-too-long` are about what the emitter makes of a type or a name, not about a
//! change. `ban-drop-database`, `ban-create-domain-with-constraint`, `ban-alter-domain-with-add-constraint`,
//! `ban-truncate-cascade`, `require-enum-value-ordering` and `require-concurrent-partition-detach` are about statements that no
//! migration has. `transaction-nesting`, `ban-uncommitted-transaction` and `prefer-robust-stmts` are settled by sqlx, which
//! gives each file its transaction; `require-timeout-settings` is whoever applies them to decide.
//! `require-concurrent-index-deletion` is not wanted: dropping an index reads nothing.

use serde_json::{Map, Value, json};
use specql_compiler::internals::sql::{Definition, ObjectKind, Schema};

use crate::tool::Script;

/// A Python process that judges migrations.
#[derive(Debug)]
pub struct Rules(Script);

/// A statement that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sin {
    /// The rule: `index-not-concurrently`.
    pub rule: String,
    /// In which of the step's files, from 0.
    pub file: usize,
    /// The statement.
    pub statement: String,
}

impl Rules {
    /// Starts the process.
    ///
    /// # Panics
    /// When Python or pglast is missing.
    #[must_use]
    pub fn start() -> Self {
        Self(Script::start(include_str!("locks.py")))
    }

    /// What is wrong with the files of a step, carried out on a database of this schema.
    ///
    /// # Errors
    /// When PostgreSQL's grammar does not read them.
    ///
    /// # Panics
    /// When the process ends, as it does where pglast is not installed.
    pub fn sins(&mut self, before: &Schema, files: &[&str]) -> Result<Vec<Sin>, String> {
        let answer = self.0.ask(&json!({"tables": tables(before), "files": files}));
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sin = |found: &Value| Sin {
            rule: text(&found["rule"]),
            file: found["file"].as_u64().and_then(|file| usize::try_from(file).ok()).unwrap_or_default(),
            statement: text(&found["statement"]),
        };
        Ok(answer["found"].as_array().into_iter().flatten().map(sin).collect())
    }
}

/// The tables of a schema, as the grammar names them, with the types of their columns where these are known.
fn tables(schema: &Schema) -> Map<String, Value> {
    let plain = |name: &str| name.replace('"', "");
    let tables = schema.objects.iter().filter(|object| object.kind == ObjectKind::Table);
    tables
        .map(|object| {
            let columns: Map<String, Value> = match &object.definition {
                Definition::Table(table) => {
                    table.columns.iter().map(|column| (plain(&column.name), json!(column.ty))).collect()
                }
                Definition::Statements { .. } => Map::new(),
            };
            (plain(&object.name), columns.into())
        })
        .collect()
}
