//! Texts and bodies with `{field}` slots that the operation's input fills.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{Json, setting::Setting};

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
    Constant(Json),
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
}

/// A value as it stands in text: a string without quotes, a list or an object as JSON; `None` for null.
#[must_use]
pub fn scalar_text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
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
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    fn field(name: &str) -> Part {
        Part::Field(name.into())
    }

    #[test]
    fn slots_and_braces_are_read() {
        let template = Template::parse("/v1/{customer}/x{{y}}/{n}").unwrap();
        assert_eq!(template.0, [text("/v1/"), field("customer"), text("/x{y}/"), field("n")]);
        assert_eq!(template.fields().collect::<Vec<_>>(), ["customer", "n"]);
        assert_eq!(template.only_field(), None);
        assert_eq!(Template::parse("{n}").unwrap().only_field(), Some("n"));
    }

    #[test]
    fn a_text_in_a_body_that_is_exactly_one_slot_is_that_field() {
        assert_eq!(BodyTemplate::parse_text("{to}").unwrap(), BodyTemplate::Field("to".into()));
        let mixed = BodyTemplate::parse_text("to {to}").unwrap();
        assert_eq!(mixed, BodyTemplate::Text(Template(vec![text("to "), field("to")])));
        assert_eq!(BodyTemplate::Array(vec![mixed]).fields(), ["to"]);
    }

    #[test]
    fn what_is_no_template_says_where() {
        for (text, at) in [("a{b", 1), ("é}", 2), ("{}", 0), ("{a b}", 0), ("{1a}", 0)] {
            assert_eq!(Template::parse(text).unwrap_err().at, at, "{text}");
        }
    }
}
