//! The bounded YAML reader: a document as values with the place of every one.

use super::{FileId, Span};
use crate::diagnostics::Diagnostic;

/// A YAML value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// The whole of it, quotes included.
    pub span: Span,
    /// For a scalar that stands in the source byte for byte (plain or quoted on one line, without escapes): where its
    /// first byte is, so that a position inside an expression can be shown.
    pub content_start: Option<u32>,
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
pub fn read(_file: FileId, _text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    (Vec::new(), Vec::new())
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
}
