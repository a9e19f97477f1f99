//! Texts and bodies with `{field}` slots that the operation's input fills.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::setting::Setting;

/// A text with slots, such as `/v1/customers/{customer}/charges`. Parsed once, by the compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub Vec<Part>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// The value of an input field.
    Field(String),
}

/// A JSON body with slots.
///
/// A string that is exactly one slot takes the field's own JSON value; a key or an element whose slot has no value
/// (an optional input that was not given) is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyTemplate {
    /// `null`, a boolean or a number, as it stands.
    Constant(serde_json::Value),
    /// Exactly one `{field}`: the field's own JSON value.
    Field(String),
    /// Text with slots in it.
    Text(Template),
    /// `{env: NAME}` or `{secret: name}`, resolved in the worker.
    Setting(Setting),
    /// An array.
    Array(Vec<BodyTemplate>),
    /// An object.
    Object(IndexMap<String, BodyTemplate>),
}
