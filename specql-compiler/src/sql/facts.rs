//! What a migration has to know of an object that is made by statements.
//!
//! Whoever makes the statements says it with them. What was written as SQL, or by an earlier version that said nothing, is read
//! once where it comes in ([`read`](super::read)); nothing behind that looks into the text of a statement.

use serde::{Deserialize, Serialize};

use super::object::Table;

/// The end of an index's statement that leaves deleted rows out.
pub(crate) const OF_LIVE_ROWS: &str = "WHERE deleted_at IS NULL";

/// What is known of an object besides its statements.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facts {
    /// Nothing: it is made again whenever its statements differ.
    #[default]
    None,
    /// A schema.
    Schema {
        /// Whether it has a comment.
        described: bool,
    },
    /// A table that is written as SQL.
    Table(Table),
    /// A table that is a part of a partitioned one.
    Partition,
    /// An index.
    Index(Index),
    /// A foreign key.
    Reference(Reference),
    /// A function.
    Function(Signature),
    /// A view in which only the last column, a document, may change.
    View {
        /// The columns, in order.
        columns: Vec<String>,
        /// Whether it reads with the rights of whoever reads it.
        invoker: bool,
    },
    /// A row of `jobs.tb_callback`.
    Callback {
        /// The function that is called for one job, without its argument types. The one for many goes with the registration.
        function: String,
    },
    /// Rights on all functions of a schema, as they are at the time.
    AllFunctions {
        /// The schema.
        schema: String,
    },
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Its table.
    pub table: String,
    /// Whether no two rows may be equal in its keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// The access method, where it is not `btree`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Columns or expressions, in order.
    pub keys: Vec<String>,
    /// What stands behind the keys: `WHERE …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The table whose rows refer.
    pub table: String,
    /// Its columns: that of the tenant, where there is one, then the reference's own.
    pub columns: Vec<String>,
    /// The table to whose rows they refer.
    pub target: String,
    /// The columns there, in the same order.
    pub target_columns: Vec<String>,
    /// What stands behind them: `ON DELETE CASCADE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// A function as its callers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Its parameters, each with name, type and default.
    pub given: Vec<String>,
    /// What it answers by name: columns, or `OUT` parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<String>,
    /// `TABLE`, or another type; empty where `OUT` parameters say it.
    pub result: String,
    /// Whether it has a comment, for those who call it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub described: bool,
    /// PostgreSQL's function that reads its body, where a user wrote that: it has not been read when the function is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
}

impl Facts {
    /// Whether nothing is known.
    #[must_use]
    pub fn are_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl Index {
    /// Whether it leaves deleted rows out.
    #[must_use]
    pub fn is_of_live_rows(&self) -> bool {
        self.suffix.as_deref() == Some(OF_LIVE_ROWS)
    }

    /// The statement that makes it.
    #[must_use]
    pub fn create(&self, name: &str) -> String {
        self.statement("", name)
    }

    /// The statement that makes it while others write to its table.
    #[must_use]
    pub fn create_concurrently(&self, name: &str) -> String {
        self.statement("CONCURRENTLY ", name)
    }

    fn statement(&self, way: &str, name: &str) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let method = self.method.as_deref().map(|method| format!(" USING {method}")).unwrap_or_default();
        let suffix = self.suffix.as_deref().map(|suffix| format!(" {suffix}")).unwrap_or_default();
        format!("CREATE {unique}INDEX {way}{name} ON {}{method} ({}){suffix}", self.table, self.keys.join(", "))
    }
}

impl Reference {
    /// The statement that makes it.
    #[must_use]
    pub fn create(&self, name: &str) -> String {
        let Self { table, columns, target, target_columns, suffix } = self;
        let suffix = suffix.as_deref().map(|suffix| format!(" {suffix}")).unwrap_or_default();
        format!(
            "ALTER TABLE {table}\n    ADD CONSTRAINT {name} FOREIGN KEY ({}) REFERENCES {target} ({}){suffix}",
            columns.join(", "),
            target_columns.join(", "),
        )
    }
}
