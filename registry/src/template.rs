//! Texts and bodies with `{field}` slots that the operation's input fills.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
/// (an optional input that was not given) is left out, and so is an object or an array that this leaves empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyTemplate {
    /// `null`, a boolean or a number, as it stands.
    Constant(Value),
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

/// Why a text is no [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte of the text where it goes wrong.
    pub at: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Template {
    /// Reads a text with `{field}` slots; `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// A brace without its partner, or a slot that is not a field's name.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let error = |at, message: String| TemplateError { at, message };
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at + c.len_utf8()..];
            match c {
                '{' | '}' if rest.starts_with(c) => {
                    literal.push(c);
                    at += 2;
                }
                '{' => {
                    let Some(end) = rest.find('}') else {
                        return Err(error(at, "`{` has no `}`; write `{{` for a brace".into()));
                    };
                    let name = &rest[..end];
                    if !is_field_name(name) {
                        let message = format!("`{{{name}}}` is no input field; write `{{{{` for a brace");
                        return Err(error(at, message));
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Field(name.into()));
                    at += end + 2;
                }
                '}' => return Err(error(at, "`}` has no `{`; write `}}` for a brace".into())),
                _ => {
                    literal.push(c);
                    at += c.len_utf8();
                }
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The input fields that it names, in order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The field, where the template is exactly one slot.
    #[must_use]
    pub fn only_field(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Field(name)] => Some(name),
            _ => None,
        }
    }

    /// The text with its slots filled from `input`, each value passed through `encode` first; `None` where a slot has
    /// no value.
    pub fn render(&self, input: &Map<String, Value>, encode: impl Fn(&str) -> String) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field(name) => text.push_str(&encode(&scalar_text(input.get(name)?)?)),
            }
        }
        Some(text)
    }
}

impl BodyTemplate {
    /// What a string in a body template means.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_text(text: &str) -> Result<Self, TemplateError> {
        let template = Template::parse(text)?;
        Ok(match template.only_field() {
            Some(name) => Self::Field(name.into()),
            None => Self::Text(template),
        })
    }

    /// The input fields that it names, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) | Self::Setting(_) => Vec::new(),
            Self::Field(name) => vec![name],
            Self::Text(template) => template.fields().collect(),
            Self::Array(items) => items.iter().flat_map(Self::fields).collect(),
            Self::Object(members) => members.values().flat_map(Self::fields).collect(),
        }
    }

    /// The body with its slots filled from `input` and its settings by `resolve`; `None` where the value is a slot
    /// without a value, so that whoever holds it leaves it out.
    ///
    /// # Errors
    /// Those of `resolve`.
    pub fn render<E>(
        &self,
        input: &Map<String, Value>,
        resolve: &mut impl FnMut(&Setting) -> Result<Value, E>,
    ) -> Result<Option<Value>, E> {
        Ok(match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Field(name) => input.get(name).filter(|value| !value.is_null()).cloned(),
            Self::Text(template) => template.render(input, str::to_owned).map(Value::String),
            Self::Setting(setting) => Some(resolve(setting)?),
            Self::Array(items) => {
                let mut array = Vec::with_capacity(items.len());
                for item in items {
                    array.extend(item.render(input, resolve)?);
                }
                (items.is_empty() || !array.is_empty()).then_some(Value::Array(array))
            }
            Self::Object(members) => {
                let mut object = Map::new();
                for (key, member) in members {
                    if let Some(value) = member.render(input, resolve)? {
                        object.insert(key.clone(), value);
                    }
                }
                (members.is_empty() || !object.is_empty()).then_some(Value::Object(object))
            }
        })
    }
}

/// A value as it stands in text: a string without quotes, a list or an object as JSON; `None` for null.
#[must_use]
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::json;

    use super::*;

    fn input(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn slots_and_braces_are_read() {
        let template = Template::parse("/v1/{customer}/x{{y}}/{n}").unwrap();
        assert_eq!(template.fields().collect::<Vec<_>>(), ["customer", "n"]);
        let text = template.render(&input(json!({"customer": "ü", "n": 3})), |s| format!("<{s}>"));
        assert_eq!(text.as_deref(), Some("/v1/<ü>/x{y}/<3>"));
    }

    #[test]
    fn a_slot_without_a_value_leaves_the_whole_text_out() {
        let template = Template::parse("a {b}").unwrap();
        assert_eq!(template.render(&input(json!({"b": null})), str::to_owned), None);
        assert_eq!(template.render(&Map::new(), str::to_owned), None);
    }

    #[test]
    fn what_is_no_template_says_where() {
        for (text, at) in [("a{b", 1), ("é}", 2), ("{}", 0), ("{a b}", 0), ("{1a}", 0)] {
            assert_eq!(Template::parse(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn a_body_takes_json_values_and_leaves_missing_slots_out() {
        let body = BodyTemplate::Object(IndexMap::from([
            (
                "list".into(),
                BodyTemplate::Array(vec![
                    BodyTemplate::parse_text("{to}").unwrap(),
                    BodyTemplate::parse_text("{cc}").unwrap(),
                ]),
            ),
            (
                "cc".into(),
                BodyTemplate::Array(vec![BodyTemplate::Object(IndexMap::from([(
                    "email".into(),
                    BodyTemplate::parse_text("{cc}").unwrap(),
                )]))]),
            ),
            ("text".into(), BodyTemplate::parse_text("n={n}").unwrap()),
            ("gone".into(), BodyTemplate::parse_text("x {cc}").unwrap()),
            ("from".into(), BodyTemplate::Setting(Setting::Literal("me".into()))),
            ("n".into(), BodyTemplate::parse_text("{n}").unwrap()),
        ]));
        let rendered = body.render::<Infallible>(&input(json!({"to": {"a": 1}, "n": 5})), &mut |_| Ok(json!("me")));
        assert_eq!(rendered, Ok(Some(json!({"list": [{"a": 1}], "text": "n=5", "from": "me", "n": 5}))));
        assert_eq!(body.fields(), ["to", "cc", "cc", "n", "cc", "n"]);
    }
}
