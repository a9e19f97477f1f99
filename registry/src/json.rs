//! JSON whose numbers keep their digits.
//!
//! `serde_json::Value` holds a number that is no 64-bit integer as a binary float: 99999999999999.99 comes out as
//! 99999999999999.98. Its feature `arbitrary_precision` keeps the digits, but a feature holds for a whole build: it would
//! change how numbers reach every flattened, untagged and internally tagged type of the user's own crate. So inputs and
//! outputs of jobs are values of this type, on their way between a row and the wire.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, value::RawValue};

mod number;

pub use number::Number;

/// The deepest nesting that is read. `serde_json` refuses one more.
pub const MAX_DEPTH: usize = 127;

/// The members of a JSON object, in their order.
pub type Object = IndexMap<String, Json>;

/// A JSON value. Numbers are kept as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the kinds of JSON
pub enum Json {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(Object),
}

/// Why a text is no [`Json`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It does not follow the grammar.
    #[error("{0}")]
    Syntax(String),
    /// It is nested too deep.
    #[error("it is nested deeper than {0} levels")]
    Depth(usize),
    /// A number that neither a 64-bit float nor anybody else can hold.
    #[error("the number {0} is out of range")]
    Range(String),
}

impl Json {
    /// Reads a text.
    ///
    /// # Errors
    /// [`JsonError`]
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Self::parse_within(text, MAX_DEPTH)
    }

    /// Reads a text that is nested no deeper than `levels`.
    ///
    /// # Errors
    /// [`JsonError`]
    pub fn parse_within(text: &str, levels: usize) -> Result<Self, JsonError> {
        let levels = levels.min(MAX_DEPTH);
        if depth(text) > levels {
            return Err(JsonError::Depth(levels));
        }
        read(text.trim_ascii())
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, where it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, where it is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The number, where it is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Whether it is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The member of an object.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The item of an array.
    #[must_use]
    pub fn item(&self, index: usize) -> Option<&Self> {
        self.as_array()?.get(index)
    }

    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let own = size_of::<Self>();
        own + match self {
            Self::Null | Self::Bool(_) => 0,
            Self::Number(number) => number.as_str().len(),
            Self::String(text) => text.len(),
            Self::Array(items) => items.iter().map(Self::size).sum(),
            Self::Object(members) => members.iter().map(|(key, member)| key.len() + own + member.size()).sum(),
        }
    }

    /// Whether a text in it, or a key, is such a one.
    #[must_use]
    pub fn any_text(&self, is_such: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::String(text) => is_such(text),
            Self::Array(items) => items.iter().any(|item| item.any_text(is_such)),
            Self::Object(members) => members.iter().any(|(key, member)| is_such(key) || member.any_text(is_such)),
            Self::Null | Self::Bool(_) | Self::Number(_) => false,
        }
    }

    /// The value with U+FFFD for every NUL, which PostgreSQL cannot store.
    #[must_use]
    pub fn without_nul(self) -> Self {
        // Hardly any has one.
        if self.any_text(&|text| text.contains('\0')) {
            self.map_texts(&|text| text.replace('\0', "\u{fffd}"))
        } else {
            self
        }
    }

    /// The value with every text in it, keys as well, turned into another.
    #[must_use]
    pub fn map_texts(self, change: &impl Fn(String) -> String) -> Self {
        match self {
            Self::String(text) => Self::String(change(text)),
            Self::Array(items) => Self::Array(items.into_iter().map(|item| item.map_texts(change)).collect()),
            Self::Object(members) => {
                Self::Object(members.into_iter().map(|(key, member)| (change(key), member.map_texts(change))).collect())
            }
            other => other,
        }
    }
}

/// The deepest nesting of a JSON text, counted without recursion.
#[must_use]
pub fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads a text whose depth was checked.
fn read(text: &str) -> Result<Json, JsonError> {
    let wrong = |error: serde_json::Error| JsonError::Syntax(error.to_string());
    match text.as_bytes().first() {
        // What is in an object or an array stays text until it is read itself.
        Some(b'{') => {
            let members: IndexMap<String, &RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let members = members.into_iter().map(|(key, member)| Ok((key, read(member.get())?)));
            members.collect::<Result<_, _>>().map(Json::Object)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            items.into_iter().map(|item| read(item.get())).collect::<Result<_, _>>().map(Json::Array)
        }
        Some(b'"') => serde_json::from_str(text).map(Json::String).map_err(wrong),
        Some(b'-' | b'0'..=b'9') => {
            // The parser says whether it is a number at all; its digits are our business.
            let raw: &RawValue = serde_json::from_str(text).map_err(wrong)?;
            Number::read(raw.get()).map(Json::Number).ok_or_else(|| JsonError::Range(excerpt(raw.get())))
        }
        _ => match serde_json::from_str(text).map_err(wrong)? {
            Some(truth) => Ok(Json::Bool(truth)),
            None => Ok(Json::Null),
        },
    }
}

fn excerpt(digits: &str) -> String {
    const LONGEST: usize = 40;
    if digits.len() <= LONGEST { digits.to_owned() } else { format!("{}…", &digits[..LONGEST]) }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(members) => serializer.collect_map(members),
        }
    }
}

/// From JSON text, or from a `serde_json::Value`; no other format has text to read.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(de::Error::custom)
    }
}

/// As JSON, in one line.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Number(number) => Number::read(&number.to_string()).map_or(Self::Null, Self::Number),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.into_iter().map(|(key, member)| (key, Self::from(member))).collect())
            }
        }
    }
}

/// Numbers become what `serde_json` makes of them.
impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(truth),
            Json::Number(number) => serde_json::from_str(number.as_str()).unwrap_or_default(),
            Json::String(text) => Self::String(text),
            Json::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => {
                Self::Object(members.into_iter().map(|(key, member)| (key, Self::from(member))).collect())
            }
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

/// By what `serde_json` makes of both.
impl PartialEq<Value> for Json {
    fn eq(&self, other: &Value) -> bool {
        let own = Value::from(self.clone());
        own == *other
    }
}

#[cfg(test)]
mod tests;
