//! Where an output field is found in a response: `$.data[0].id`, `$header.<name>`, `$status`.

use serde::{Deserialize, Serialize};

use crate::Json;

/// Where an output field is found in a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputPath {
    /// `$.a.b[0]`: into the JSON body. Empty: the body itself.
    Body(Vec<PathStep>),
    /// `$header.<name>`.
    Header(String),
    /// `$status`.
    Status,
}

/// A step of a path into a JSON body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathStep {
    /// A member of an object.
    Key(String),
    /// An element of an array.
    Index(usize),
}

/// Why a text is no [`OutputPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutputPathError {
    /// Byte of the text where it goes wrong.
    pub at: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl OutputPath {
    /// Reads `$`, `$.a.b[0]`, `$["a key"]`, `$header.<name>` or `$status`.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, OutputPathError> {
        if text == "$status" {
            return Ok(Self::Status);
        }
        if let Some(name) = text.strip_prefix("$header.") {
            let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            return if !name.is_empty() && name.chars().all(is_token) {
                Ok(Self::Header(name.to_ascii_lowercase()))
            } else {
                Err(error(8, format!("`{name}` is no header name")))
            };
        }
        let Some(rest) = text.strip_prefix('$') else {
            return Err(error(0, "an output path is `$.path`, `$header.<name>` or `$status`".into()));
        };
        let mut steps = Vec::new();
        let mut rest = rest;
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let (step, after) =
                read_step(rest).ok_or_else(|| error(at, "expected `.key`, `[0]` or `[\"key\"]` here".into()))?;
            steps.push(step);
            rest = after;
        }
        Ok(Self::Body(steps))
    }

    /// The value at the end of a body path; `None` where a step finds nothing.
    #[must_use]
    pub fn find<'v>(steps: &[PathStep], body: &'v Json) -> Option<&'v Json> {
        steps.iter().try_fold(body, |value, step| match step {
            PathStep::Key(key) => value.member(key),
            PathStep::Index(index) => value.item(*index),
        })
    }
}

fn error(at: usize, message: String) -> OutputPathError {
    OutputPathError { at, message }
}

/// The step that `text` begins with, and what follows it.
fn read_step(text: &str) -> Option<(PathStep, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        return (end > 0).then(|| (PathStep::Key(rest[..end].into()), &rest[end..]));
    }
    let rest = text.strip_prefix('[')?;
    if let Some(rest) = rest.strip_prefix('"') {
        let (key, rest) = rest.split_once('"')?;
        return Some((PathStep::Key(key.into()), rest.strip_prefix(']')?));
    }
    let (index, rest) = rest.split_once(']')?;
    if !index.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((PathStep::Index(index.parse().ok()?), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_path_is_read_and_followed() {
        let OutputPath::Body(steps) = OutputPath::parse(r#"$.data[1]["a b"].id"#).unwrap() else { panic!() };
        let body = Json::from(json!({"data": [0, {"a b": {"id": "x"}}]}));
        assert_eq!(OutputPath::find(&steps, &body), Some(&Json::from("x")));
        assert_eq!(OutputPath::find(&steps, &json!({"data": []}).into()), None);
        assert_eq!(OutputPath::parse("$").unwrap(), OutputPath::Body(vec![]));
    }

    #[test]
    fn status_and_header_are_read() {
        assert_eq!(OutputPath::parse("$status").unwrap(), OutputPath::Status);
        assert_eq!(OutputPath::parse("$header.X-Message-Id").unwrap(), OutputPath::Header("x-message-id".into()));
    }

    #[test]
    fn what_is_no_path_says_where() {
        for (text, at) in
            [("id", 0), ("$id", 1), ("$.", 1), ("$.a..b", 3), ("$.a[x]", 3), ("$.a[-1]", 3), ("$header.", 8)]
        {
            assert_eq!(OutputPath::parse(text).unwrap_err().at, at, "{text}");
        }
    }
}
