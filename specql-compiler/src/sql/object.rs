//! Database objects: what the SQL emitter makes, and what migrations compare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{facts::Facts, quote::ident, read::words_of_code, rule::Rule};

/// All objects of a database, in an order in which they can be created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The objects. A foreign key is an object of its own, after all tables.
    pub objects: Vec<Object>,
    /// Functions of callbacks that the model no longer has. They stay, for jobs that are queued already may name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Object>,
    /// What had another name before. Said by the model, never part of a snapshot.
    #[serde(skip)]
    pub renames: Vec<Rename>,
    /// Where columns are written: `sales.tb_order.total` → `entities/order.yaml:12`. For messages, never part of a snapshot.
    #[serde(skip)]
    pub places: BTreeMap<String, String>,
    /// The values of columns for rows that were there before: `sales.tb_order.code` → an expression over the row `t`. Never part
    /// of a snapshot.
    #[serde(skip)]
    pub backfills: BTreeMap<String, String>,
    /// How many of the objects, from the first on, are SpecQL's own and not made from the model. Never part of a snapshot.
    #[serde(skip)]
    pub own: usize,
}

/// A table, a column or a schedule that had another name before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rename {
    /// `sales.tb_order` is now `sales.tb_purchase`.
    Table {
        /// The old name, with its schema.
        from: String,
        /// The new name, with its schema.
        to: String,
    },
    /// A schedule, by its key.
    Schedule {
        /// The old key: `Order.nightly`.
        from: String,
        /// The new key.
        to: String,
    },
    /// A column of a table.
    Column {
        /// The table's new name.
        table: String,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its identity within its kind, as SQL names it: `sales.tb_order`; a function with its argument types
    /// (`sales.place_order(uuid, uuid, app.type_place_order_input)`); a constraint, trigger or policy as
    /// `name ON sales.tb_order`; a callback registration by its key.
    pub name: String,
    /// `entities/order.yaml:12`, for the comment above it. Never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What PostgreSQL looks up when it makes the object, and what cannot go before it: tables, types, functions and views of
    /// the same schema. Not what the body of a function names, which PostgreSQL keeps as text. Never compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// How it is made.
    pub definition: Definition,
}

/// Another object that one needs, by its kind and name. In a snapshot `table sales.tb_order`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Need {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name: [`Object::name`].
    pub name: String,
}

/// What an object is. The order is that of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the names say it
pub enum ObjectKind {
    Role,
    Schema,
    Type,
    Table,
    /// Added with ALTER TABLE after all tables: foreign keys.
    Constraint,
    Index,
    Function,
    Trigger,
    View,
    Policy,
    Grant,
    /// Rows that belong to the schema: registered callbacks.
    Data,
}

/// How an object is made and unmade. Statements end without a semicolon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// A table that is compared column by column.
    Table(Table),
    /// Anything else.
    Statements {
        /// Makes it. For a function `CREATE OR REPLACE FUNCTION …`.
        create: Vec<String>,
        /// Unmakes it; empty where that needs nothing (it goes with its table or schema).
        drop: Vec<String>,
        /// What a migration has to know of it.
        #[serde(default, skip_serializing_if = "Facts::are_none")]
        facts: Facts,
    },
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Quoted where needed: `sales.tb_order`.
    pub name: String,
    /// In order.
    pub columns: Vec<Column>,
    /// Named constraints but foreign keys: `CONSTRAINT ck_… CHECK (…)`.
    pub constraints: Vec<TableConstraint>,
    /// After the closing parenthesis: `PARTITION BY RANGE (pk_job_run)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// For `COMMENT ON TABLE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Quoted where needed.
    pub name: String,
    /// `TEXT`.
    pub ty: String,
    /// `NOT NULL`.
    pub not_null: bool,
    /// The expression after `DEFAULT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// `GENERATED BY DEFAULT AS IDENTITY` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// For `COMMENT ON COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A named constraint of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableConstraint {
    /// Quoted where needed.
    pub name: String,
    /// What it demands.
    #[serde(rename = "definition")]
    pub rule: Rule,
}

impl ObjectKind {
    /// All kinds, in the order of creation.
    pub const ALL: [Self; 12] = [
        Self::Role,
        Self::Schema,
        Self::Type,
        Self::Table,
        Self::Constraint,
        Self::Index,
        Self::Function,
        Self::Trigger,
        Self::View,
        Self::Policy,
        Self::Grant,
        Self::Data,
    ];

    /// The name in headers and snapshots.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Schema => "schema",
            Self::Type => "type",
            Self::Table => "table",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::Function => "function",
            Self::Trigger => "trigger",
            Self::View => "view",
            Self::Policy => "policy",
            Self::Grant => "grant",
            Self::Data => "data",
        }
    }
}

impl ObjectKind {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Schema {
    /// SpecQL's own objects: the queue, and what all actions need.
    #[must_use]
    pub fn own_objects(&self) -> &[Object] {
        &self.objects[..self.own]
    }
}

impl Object {
    /// Whether it is a schema, or stands in it.
    #[must_use]
    pub fn is_in_schema(&self, schema: &str) -> bool {
        self.name == schema
            || self.name.starts_with(&format!("{schema}."))
            || self.name.contains(&format!(" ON {schema}."))
    }

    /// An object that is made by statements, needs nothing, and is unmade by the plain `DROP` of its kind.
    #[must_use]
    pub(crate) fn made_by(kind: ObjectKind, name: impl Into<String>, create: Vec<String>) -> Self {
        let definition = Definition::Statements { create, drop: Vec::new(), facts: Facts::None };
        Self { kind, name: name.into(), origin: None, needs: Vec::new(), definition }
    }

    /// The same, from that place in a file.
    #[must_use]
    pub(crate) fn from(self, origin: impl ToString) -> Self {
        Self { origin: Some(origin.to_string()), ..self }
    }

    /// The same, which needs these.
    #[must_use]
    pub(crate) fn that_needs(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        self.needs.extend(needs);
        self.needs.sort();
        self.needs.dedup();
        self
    }

    /// The same, of which this is known. A table that is compared by columns says all of itself.
    #[must_use]
    pub(crate) fn known_as(mut self, known: Facts) -> Self {
        if let Definition::Statements { facts, .. } = &mut self.definition {
            *facts = known;
        }
        self
    }

    /// The same, unmade by these statements.
    #[must_use]
    pub(crate) fn unmade_by(mut self, statements: Vec<String>) -> Self {
        if let Definition::Statements { drop, .. } = &mut self.definition {
            *drop = statements;
        }
        self
    }

    /// What a migration has to know of it besides its statements.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        match &self.definition {
            Definition::Table(_) => &Facts::None,
            Definition::Statements { facts, .. } => facts,
        }
    }

    /// Its columns and constraints, where it is a table of which they are known.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        match &self.definition {
            Definition::Table(table) => Some(table),
            Definition::Statements { facts: Facts::Table(table), .. } => Some(table),
            Definition::Statements { .. } => None,
        }
    }

    /// `sales.place_order` of `sales.place_order(uuid, jsonb)`; the name of anything else.
    #[must_use]
    pub fn base_name(&self) -> &str {
        base_name(&self.name)
    }

    /// Its name without schema or table: `fk_order__customer` of `fk_order__customer ON sales.tb_order`.
    #[must_use]
    pub fn own_name(&self) -> &str {
        match self.kind {
            ObjectKind::Constraint => self.name.rsplit_once(" ON ").map_or(&*self.name, |(name, _)| name),
            _ => split_name(&self.name).map_or(&*self.name, |(_, name)| name),
        }
    }
}

impl Need {
    /// What is called so.
    #[must_use]
    pub fn new(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A table of that name.
    pub(super) fn table(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Table, name)
    }

    /// A function of that name and those argument types.
    pub(super) fn function(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Function, name)
    }

    /// A type of that name.
    pub(super) fn ty(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Type, name)
    }
}

impl From<Need> for String {
    fn from(need: Need) -> Self {
        format!("{} {}", need.kind.name(), need.name)
    }
}

impl TryFrom<String> for Need {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = text.split_once(' ').and_then(|(kind, name)| Some(Self::new(ObjectKind::named(kind)?, name)));
        known.ok_or_else(|| format!("`{text}` names no object"))
    }
}

/// `sales.place_order` of `sales.place_order(uuid, jsonb)`.
#[must_use]
pub(crate) fn base_name(name: &str) -> &str {
    name.split('(').next().unwrap_or(name)
}

/// Schema and name of `sales.tb_order`, either of which may be quoted.
#[must_use]
pub(crate) fn split_name(name: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let dot = name.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        *character == '.' && !quoted
    });
    dot.map(|(at, _)| (&name[..at], &name[at + 1..]))
}

impl Table {
    /// Whether its rows are in other tables: PostgreSQL makes no index of such a one while others write to it.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        self.suffix.as_deref().is_some_and(|suffix| suffix.starts_with("PARTITION BY "))
    }
}

/// Functions that give another value for each row: a new column with such a default is written into all of them.
const VOLATILE: &[&str] = &["gen_random_uuid", "clock_timestamp", "random", "nextval", "timeofday"];

impl Column {
    /// Whether its default is another value in each row.
    #[must_use]
    pub fn has_volatile_default(&self) -> bool {
        let words = self.default.as_deref().map(words_of_code).unwrap_or_default();
        words.iter().any(|word| VOLATILE.contains(word))
    }

    /// A nullable column without default.
    #[must_use]
    pub(super) fn new(name: &str, ty: impl Into<String>) -> Self {
        Self { name: ident(name), ty: ty.into(), not_null: false, default: None, generated: None, comment: None }
    }
}
