//! The small tools of the registry's reader: mappings with known keys, words, numbers, durations.

use std::{collections::HashSet, ops::RangeInclusive};

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0501_unknown_registry_key::unknown_registry_key, sq0502_not_implemented::not_implemented,
            sq0503_no_effect_yet::no_effect_yet, sq0505_bad_registry_value::bad_value,
            sq0505_bad_registry_value::unknown_word,
        },
    },
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

/// A mapping whose keys are taken one by one; what is left at the end is unknown.
pub(super) struct Fields<'a> {
    entries: &'a [Entry],
    known: Vec<&'static str>,
    /// Whose keys these are: "a service".
    place: &'static str,
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
    pub(super) fn fields<'a>(&mut self, node: &'a Node, place: &'static str) -> Option<Fields<'a>> {
        if let Value::Mapping(entries) = &node.value {
            let span = entries.first().map_or(node.span, |entry| entry.key_span);
            return Some(Fields { entries, known: Vec::new(), place, span });
        }
        self.bad(node.span, format!("expected {place} (keys and values), got {}", node.value.kind()));
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

    /// A key whose absence would change what a call may do: an error while nothing acts on it.
    pub(super) fn refuse(&mut self, fields: &mut Fields<'_>, key: &'static str) {
        if let Some(entry) = fields.take(key) {
            self.report(not_implemented(entry.key_span, &format!("`{key}`")));
        }
    }

    /// A key that can wait: a warning while nothing acts on it.
    pub(super) fn ignore(&mut self, fields: &mut Fields<'_>, key: &'static str) {
        if let Some(entry) = fields.take(key) {
            self.report(no_effect_yet(entry.key_span, key));
        }
    }

    /// Reports the keys that nobody took.
    pub(super) fn finish(&mut self, fields: Fields<'_>) {
        for entry in fields.entries {
            if !fields.known.contains(&entry.key.as_str()) {
                self.report(unknown_registry_key(entry.key_span, &entry.key, fields.place, &fields.known));
            }
        }
    }
}

impl<'a> Fields<'a> {
    /// The entry under a key; one without a value counts as absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key && entry.value.value != Value::Null)
    }
}
