//! What a value may be.

use super::Table;

/// What a value may be: enough to describe it to people and to an editor, not to check it.
#[derive(Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// A name: `snake_case`.
    Name,
    /// The name of an entity, in `CamelCase`, which may have its schema before it.
    Entity,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// An expression: SQL-like, in quotes or not.
    Expression,
    /// An expression without quotes, a text in quotes, or a constant, a list or an object of YAML.
    Value,
    /// A type: `email!`, `enum(a, b) = a`.
    Type,
    /// One of these words.
    Words(&'static [&'static str]),
    /// `500ms`, `30s`, `10m`, `1h`.
    Duration,
    /// What begins a step: `Order SET total = 1 WHERE …`.
    Clause(&'static str),
    /// A list of these.
    List(&'static Shape),
    /// Names that are chosen freely, each with one of these.
    Map(&'static Shape),
    /// A mapping with the keys of a table.
    Table(&'static Table),
    /// A mapping with the keys of one of these tables.
    OneTable(&'static [&'static Table]),
    /// A list of steps.
    Steps,
    /// A text, or a reference `{env: NAME}` or `{secret: name}`.
    Setting,
    /// A reference `{env: NAME}` or `{secret: name}`: no credential stands in a file.
    Credential,
    /// Fields and their types, nested objects and lists of them.
    Schema,
    /// One of these.
    Either(&'static [Shape]),
    /// Anything at all.
    Anything,
}

impl Shape {
    /// In words: `a list of steps`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Name => "a name in snake_case".to_owned(),
            Self::Entity => "the name of an entity".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Integer(i64::MIN, i64::MAX) => "a whole number".to_owned(),
            Self::Integer(least, i64::MAX) => format!("a whole number from {least}"),
            Self::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Self::Expression => "an expression".to_owned(),
            Self::Value => "a value: an expression, or a text in quotes".to_owned(),
            Self::Type => "a type".to_owned(),
            Self::Words(words) => or(words.iter().map(|word| format!("`{word}`"))),
            Self::Duration => "a duration such as `500ms`, `30s`, `10m` or `1h`".to_owned(),
            Self::Clause(form) => format!("`{form}`"),
            Self::List(element) => format!("a list, each {}", element.describe()),
            Self::Map(value) => format!("names, each with {}", value.describe()),
            Self::Table(table) => table.what.to_owned(),
            Self::OneTable(tables) => or(tables.iter().map(|table| table.what.to_owned())),
            Self::Steps => "a list of steps".to_owned(),
            Self::Setting => "a text, `{env: NAME}` or `{secret: name}`".to_owned(),
            Self::Credential => "`{env: NAME}` or `{secret: name}`".to_owned(),
            Self::Schema => "fields and their types".to_owned(),
            Self::Either(shapes) => or(shapes.iter().map(Self::describe)),
            Self::Anything => "anything".to_owned(),
        }
    }
}

fn or(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => parts.concat(),
    }
}
