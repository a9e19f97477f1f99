//! Places where YAML reads something other than what was meant: found, named, and shown in the form to write.

use super::{Entry, Node, Value};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0007_split_parenthesis::split_parenthesis, sq0008_cut_by_comment::cut_by_comment,
            sq0009_colon_in_plain::colon_in_plain,
        },
    },
    source::Span,
};

/// `{status: enum(a, b)}`: YAML ends the value at the comma and makes `b)` a key without a value.
///
/// Called with the entries read so far when such a key ends; gives back one entry for all the pieces, so that nothing
/// else is said about them.
pub(super) fn join_split_parenthesis(
    entries: &mut Vec<Entry>,
    key_span: Span,
    source: impl Fn(Span) -> String,
) -> Option<Diagnostic> {
    let first = entries.iter().rposition(|entry| {
        matches!(&entry.value.value, Value::String(text) if unbalanced(text) && entry.value.content_start.is_some())
    })?;
    // Everything between must be such a piece too: a key without value.
    if entries[first + 1..].iter().any(|entry| entry.value.value != Value::Null) {
        return None;
    }
    let span = Span { end: key_span.end, ..entries[first].value.span };
    let text = source(span);
    // This piece ends a parenthesis within it; the one that ends the whole is still to come.
    if unbalanced(&text) {
        return None;
    }
    entries.truncate(first + 1);
    let entry = entries.last_mut()?;
    let diagnostic = split_parenthesis(span, &entry.key, &text);
    entry.value = Node { value: Value::String(text), span, content_start: Some(span.start), quoted: false };
    Some(diagnostic)
}

/// `{note: coalesce(a, 'x')}`: behind the comma a text in quotes would be a key, and what follows it no longer YAML. `line` is that of
/// the last plain scalar, which ends at byte `end` of it; `start` is where the line begins in its file.
pub(super) fn cut_before_quotes(line: &str, end: usize, start: Span) -> Option<Diagnostic> {
    let before = line.get(..end)?;
    let colon = before.rfind(": ")?;
    let key = before[..colon].rsplit(['{', ',', ' ']).next()?;
    let value = colon + 2;
    if !unbalanced(&before[value..]) {
        return None;
    }
    let mut depth = 0_i32;
    let length = line[value..].char_indices().find_map(|(at, character)| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (character == ')' && depth == 0).then_some(at + 1)
    })?;
    let at = |offset: usize| start.start + u32::try_from(offset).unwrap_or(u32::MAX);
    let span = Span { start: at(value), end: at(value + length), ..start };
    Some(split_parenthesis(span, key, &line[value..value + length]))
}

/// A plain scalar before a comment that holds the other half of a quotation or parenthesis.
pub(super) fn cut_expression(text: &str, comment: &str, span: Span) -> Option<Diagnostic> {
    let cut = |quote: char| quotes(text, quote) % 2 == 1 && quotes(comment, quote) % 2 == 1;
    let parenthesis = unbalanced(text) && comment.contains(')');
    (cut('\'') || cut('"') || parenthesis).then(|| cut_by_comment(span, &format!("{text}{comment}")))
}

/// A syntax error at a `: ` inside a plain scalar. `line` is the text from the scalar's start to the end of its line,
/// `offset` where in it the error is.
pub(super) fn colon(line: &str, offset: usize, span: Span) -> Option<Diagnostic> {
    let colon = line.get(offset..)?.trim_start();
    colon.starts_with(": ").then(|| colon_in_plain(span, line.trim_end()))
}

/// Counts quotation marks, apart from apostrophes between letters (`don't`).
fn quotes(text: &str, quote: char) -> usize {
    let characters: Vec<char> = text.chars().collect();
    let letter = |index: Option<usize>| index.and_then(|i| characters.get(i)).is_some_and(|c| c.is_alphabetic());
    (0..characters.len())
        .filter(|&i| characters[i] == quote && !(letter(i.checked_sub(1)) && letter(Some(i + 1))))
        .count()
}

fn unbalanced(text: &str) -> bool {
    text.matches('(').count() > text.matches(')').count()
}
