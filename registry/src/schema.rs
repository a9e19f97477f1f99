//! Input and output schemas, and the JSON check against them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{Setting, ValueType};

mod check;
mod number;
mod text;

pub use check::SchemaError;

/// The fields of an input, an output or an inline object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Name → field, in the order of the source.
    pub fields: IndexMap<String, SchemaField>,
}

/// A field of a [`Schema`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchemaField {
    /// Its type.
    pub ty: ValueType,
    /// `!`: must be given, or (in an output) be there.
    pub required: bool,
    /// Taken where no value is given.
    pub default: Option<FieldDefault>,
    /// One line for people.
    pub description: Option<String>,
}

/// The field as it is written in YAML after its name: `integer!`, `currencyCode = "USD"`.
impl std::fmt::Display for SchemaField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let required = if self.required { "!" } else { "" };
        write!(f, "{}{required}", self.ty)?;
        match &self.default {
            None => Ok(()),
            Some(FieldDefault::Value(value)) => write!(f, " = {value}"),
            Some(FieldDefault::Setting(Setting::Literal(text))) => write!(f, " = {text}"),
            Some(FieldDefault::Setting(Setting::Env { name, .. })) => write!(f, " = {{env: {name}}}"),
            Some(FieldDefault::Setting(Setting::Secret(name))) => write!(f, " = {{secret: {name}}}"),
        }
    }
}

/// The default of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldDefault {
    /// A constant, already checked against the field's type.
    Value(serde_json::Value),
    /// Resolved in the worker; never stored in a job row.
    Setting(Setting),
}
