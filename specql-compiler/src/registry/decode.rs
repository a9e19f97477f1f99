//! The small tools of the registry's reader: mappings with known keys, words, numbers, durations.

use std::{collections::HashSet, ops::RangeInclusive};

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0501_unknown_registry_key::unknown_registry_key, sq0502_not_implemented::not_implemented,
            sq0505_bad_registry_value::bad_value, sq0505_bad_registry_value::unknown_word,
        },
    },
    keys::{Standing, Table},
    source::{
        Span,
        yaml::{Entry, Node, Value},
    },
};

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Code, place and message of each.
    reported: HashSet<(&'static str, Span, String)>,
}

/// A mapping whose keys are those of a table, and taken one by one.
pub(super) struct Fields<'a> {
    entries: &'a [Entry],
    /// Which keys there are.
    pub(super) table: &'static Table,
    /// Where something that is missing would be: the first key, or the value itself.
    pub(super) span: Span,
}

impl Decoder {
    /// Adds a diagnostic, once: a base that is read again for each environment has the same mistakes every time.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        let key = (diagnostic.rule.code, diagnostic.span, diagnostic.message.clone());
        if self.reported.insert(key) {
            self.diagnostics.push(diagnostic);
        }
    }

    pub(super) fn bad(&mut self, span: Span, what: impl Into<String>) {
        self.report(bad_value(span, what));
    }

    /// The entries of a mapping; anything else is reported.
    pub(super) fn fields<'a>(&mut self, node: &'a Node, table: &'static Table) -> Option<Fields<'a>> {
        if let Value::Mapping(entries) = &node.value {
            let span = entries.first().map_or(node.span, |entry| entry.key_span);
            return Some(Fields { entries, table, span });
        }
        self.bad(node.span, format!("expected {} (keys and values), got {}", table.what, node.value.kind()));
        None
    }

    /// The items of a list; anything else is reported.
    pub(super) fn items<'a>(&mut self, entry: &'a Entry) -> &'a [Node] {
        match &entry.value.value {
            Value::Sequence(items) => items,
            other => {
                self.bad(entry.value.span, format!("`{}` takes a list, not {}", entry.key, other.kind()));
                &[]
            }
        }
    }

    pub(super) fn text(&mut self, entry: &Entry) -> Option<String> {
        if let Value::String(text) = &entry.value.value {
            return Some(text.clone());
        }
        self.bad(entry.value.span, format!("`{}` takes text, not {}", entry.key, entry.value.value.kind()));
        None
    }

    pub(super) fn boolean(&mut self, entry: &Entry) -> Option<bool> {
        if let Value::Bool(value) = entry.value.value {
            return Some(value);
        }
        self.bad(entry.value.span, format!("`{}` takes true or false, not {}", entry.key, entry.value.value.kind()));
        None
    }

    pub(super) fn integer(&mut self, entry: &Entry, range: RangeInclusive<u32>) -> Option<u32> {
        let number = match &entry.value.value {
            Value::Number(digits) => digits.parse().ok().filter(|number| range.contains(number)),
            _ => None,
        };
        if number.is_none() {
            let (key, least, most) = (&entry.key, range.start(), range.end());
            self.bad(entry.value.span, format!("`{key}` takes a whole number from {least} to {most}"));
        }
        number
    }

    /// One of some words.
    pub(super) fn word<T: Clone>(&mut self, entry: &Entry, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(entry)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| value.clone());
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.report(unknown_word(entry.value.span, &entry.key, &text, &known));
        }
        found
    }

    /// `500ms`, `30s`, `10m`, `1h`, in milliseconds.
    pub(super) fn duration_ms(&mut self, entry: &Entry) -> Option<u64> {
        let text = self.text(entry)?;
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let factor = match text[unit_at..].trim() {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        let number = text[..unit_at].parse::<u64>().ok();
        let duration = factor.zip(number).and_then(|(factor, number)| number.checked_mul(factor)).filter(|ms| *ms > 0);
        if duration.is_none() {
            self.bad(entry.value.span, format!("`{}` takes a duration such as 500ms, 30s, 10m or 1h", entry.key));
        }
        duration
    }

    /// Reports the keys that the table does not have, refuses or warns about.
    pub(super) fn finish(&mut self, fields: Fields<'_>) {
        for entry in fields.entries {
            let key = fields.table.key(&entry.key);
            match key.map(|key| key.standing) {
                None => {
                    let (what, known) = (fields.table.what, fields.table.names());
                    self.report(unknown_registry_key(entry.key_span, &entry.key, what, known));
                }
                _ if entry.value.value == Value::Null => {}
                Some(Standing::Refused) => self.report(not_implemented(entry.key_span, &format!("`{}`", entry.key))),
                // No table of the registry has a key that is only warned about.
                Some(Standing::Warned | Standing::Optional | Standing::Required) => {}
            }
        }
    }
}

impl<'a> Fields<'a> {
    /// The entry under a key; one without a value counts as absent.
    pub(super) fn take(&self, key: &'static str) -> Option<&'a Entry> {
        debug_assert!(self.table.key(key).is_some(), "`{key}` is read but is no key of {}", self.table.what);
        self.entries.iter().find(|entry| entry.key == key && entry.value.value != Value::Null)
    }
}
