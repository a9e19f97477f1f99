//! The bounded YAML reader: a document as values with the place of every one.
//!
//! ```text
//! text → text.rs (characters, size) → events.rs (saphyr-parser: values and positions) → compare.rs (yaml_serde: the same values)
//! ```
//!
//! Two independent readers must agree, or the file is refused: a value that is read differently by another tool is not
//! a value to build a database on. What YAML 1.2 allows and a specification does not need (anchors, aliases, merge
//! keys, tags, tabs, numbers with several spellings) is refused with the form to write instead.
//!
//! | kind of scalar | is read as |
//! |---|---|
//! | `null`, `Null`, `NULL`, `~`, nothing | null |
//! | `true`, `false` | a boolean |
//! | `42`, `-1`, `1.10` | a number, digit for digit |
//! | `True`, `0x10`, `012`, `1e3`, `+1`, `.inf` | refused: other tools read them in different ways |
//! | everything else, and whatever is quoted | text |

mod compare;
mod events;
mod scalar;
mod text;
mod traps;

#[cfg(test)]
mod tests;

use super::{FileId, Span};
use crate::diagnostics::Diagnostic;

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Most values, keys included, in a file.
pub const MAX_NODES: usize = 20_000;
/// Deepest nesting of sequences and mappings.
pub const MAX_DEPTH: usize = 64;

/// A YAML value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// The whole of it, quotes included. Of a value that was left out: its key.
    pub span: Span,
    /// For a scalar that stands in the source byte for byte (plain or quoted on one line, without escapes): where its
    /// first byte is, so that a position inside an expression can be shown.
    pub content_start: Option<u32>,
    /// A scalar in quotes, or a block scalar (`|`, `>`): where a value may stand, its text is meant as it is.
    pub quoted: bool,
}

/// A YAML 1.2 core value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false` (plain).
    Bool(bool),
    /// A plain number, as it is written: `42`, `-1`, `1.10`.
    Number(String),
    /// Any other plain scalar, and every quoted or block scalar.
    String(String),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in source order. Keys are strings and unique.
    Mapping(Vec<Entry>),
}

/// A key of a mapping, with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// Reads all documents of a file. What could not be read is missing; why is in the diagnostics.
#[must_use]
pub fn read(file: FileId, text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    if let Err(diagnostic) = text::check(file, text) {
        return (Vec::new(), vec![*diagnostic]);
    }
    // A byte order mark is no part of the text, but positions count from the file's first byte.
    let (text, skipped) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, 3),
        None => (text, 0),
    };
    let (documents, mut diagnostics) = events::read(file, text, skipped);
    if diagnostics.is_empty()
        && let Err(diagnostic) = compare::agree(&documents, text, Span { file, start: skipped, end: skipped })
    {
        diagnostics.push(*diagnostic);
        return (Vec::new(), diagnostics);
    }
    (documents, diagnostics)
}

impl Node {
    /// The span of `start..end` (bytes) within this scalar's text, or the whole node where that is not known.
    #[must_use]
    pub fn inner_span(&self, start: usize, end: usize) -> Span {
        match self.content_start {
            Some(offset) => Span {
                file: self.span.file,
                start: offset + u32::try_from(start).unwrap_or(0),
                end: offset + u32::try_from(end).unwrap_or(0),
            },
            None => self.span,
        }
    }

    /// The text of a [`Value::String`].
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a key of a [`Value::Mapping`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }
}

impl Value {
    /// What it is, for messages: `text`, `a number`, `a list`, …
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}
