//! A text with values in it: `Order {$order.number} is paid`.

use super::{Ast, AstKind, forms::part};
use crate::{
    diagnostics::{Diagnostic, rules::sq0301_expression_syntax as expression_syntax},
    source::yaml::Node,
};

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum TextPart {
    /// Words that stay as they are.
    Words(String),
    /// `{$order.note ?? none}`.
    Value {
        /// `$order.note`.
        path: Ast,
        /// `none`: what stands there where the value is NULL.
        otherwise: Option<String>,
    },
}

/// Reads a scalar's text as words with `{$path}` in them. `{{$` is a literal `{$`.
///
/// # Errors
/// The first `{$` that is no path, or is not closed, with its place.
pub fn parse_text(node: &Node, text: &str) -> Result<Ast, Box<Diagnostic>> {
    read(node, text, 0, text.len())
}

/// Reads the bytes `start..end` of a scalar's text.
pub(super) fn read(node: &Node, text: &str, start: usize, end: usize) -> Result<Ast, Box<Diagnostic>> {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut at = start;
    while let Some(found) = text[at..end].find("{$") {
        let open = at + found;
        words.push_str(&text[at..open]);
        if open > at && words.ends_with('{') {
            // The first of the two stands for both.
            words.push('$');
            at = open + 2;
            continue;
        }
        let Some(length) = text[open..end].find('}') else {
            return Err(Box::new(
                expression_syntax::error(node.inner_span(open, open + 2), "this `{$` has no closing `}`")
                    .help("write a path such as `{$order.number}`; a literal `{$` is written `{{$`"),
            ));
        };
        if !words.is_empty() {
            parts.push(TextPart::Words(std::mem::take(&mut words)));
        }
        parts.push(value(node, text, open + 1, open + length)?);
        at = open + length + 1;
    }
    words.push_str(&text[at..end]);
    let span = if start == 0 && end == text.len() { node.span } else { node.inner_span(start, end) };
    if parts.is_empty() {
        return Ok(Ast { kind: AstKind::Text(words), span, depth: 1 });
    }
    if !words.is_empty() {
        parts.push(TextPart::Words(words));
    }
    Ok(Ast { kind: AstKind::Template(parts), span, depth: 2 })
}

/// `$path`, or `$path ?? words`.
fn value(node: &Node, text: &str, start: usize, end: usize) -> Result<TextPart, Box<Diagnostic>> {
    let (path_end, otherwise) = match text[start..end].split_once("??") {
        Some((path, otherwise)) => (start + path.len(), Some(otherwise.trim().to_owned())),
        None => (end, None),
    };
    let no_path = || {
        Box::new(
            expression_syntax::error(node.inner_span(start, path_end), "between `{` and `}` stands one path and nothing else")
                .help(
                    "write `{$order.number}`; what is computed is an expression without quotes, such as `('No. ' || $order.number + 1)`; \
                     a literal `{$` is written `{{$`",
                ),
        )
    };
    match part(node, text, start, path_end) {
        Ok(path @ Ast { kind: AstKind::Path { .. }, .. }) => Ok(TextPart::Value { path, otherwise }),
        _ => Err(no_path()),
    }
}
