//! Reading a mapping whose keys are known: each is taken, or refused where it stands.

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0131_wrong_shape as wrong_shape, sq0132_unknown_key as unknown_key, sq0133_missing_key as missing_key,
            sq0134_not_supported as not_supported, sq0135_ignored_key as ignored_key,
        },
    },
    keys::{Standing, Table},
    source::{
        Span, Spanned,
        yaml::{Entry, Node, Value},
    },
};

/// A mapping and what it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    entries: &'a [Entry],
    /// The whole mapping.
    pub span: Span,
    what: &'static str,
}

impl<'a> Keys<'a> {
    /// The mapping in `node`, whose keys must be those of `table`; what is refused or warned about is reported here.
    pub fn read(node: &'a Node, table: &Table, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let what = table.what;
        let Value::Mapping(entries) = &node.value else {
            diagnostics.push(wrong_shape::error(node, what, "a mapping of keys to values"));
            return None;
        };
        for entry in entries {
            match table.key(&entry.key).map(|key| key.standing) {
                None => diagnostics.push(unknown_key::error(entry, what, table.names())),
                Some(Standing::Refused) => diagnostics.push(not_supported::key(entry.key_span, &entry.key)),
                Some(Standing::Warned) => diagnostics.push(ignored_key::warning(entry.key_span, &entry.key)),
                Some(Standing::Optional | Standing::Required) => {}
            }
        }
        Some(Self { entries, span: node.span, what })
    }

    /// The entry of that key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Its first key: where something that is missing in the mapping is shown.
    #[must_use]
    pub fn first(&self) -> Span {
        self.entries.first().map_or(self.span, |entry| entry.key_span)
    }

    /// The value of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text of that key, if it is there.
    pub fn text(&self, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
        text(self.get(key)?, key, diagnostics)
    }

    /// The text of a key that must be there. `place` is where its absence is shown.
    pub fn required_text(&self, key: &str, place: Span, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
        if self.entry(key).is_none() {
            diagnostics.push(missing_key::error(place, self.what, key));
            return None;
        }
        self.text(key, diagnostics)
    }

    /// The boolean of that key, if it is there.
    pub fn boolean(&self, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<bool> {
        let node = self.get(key)?;
        let Value::Bool(value) = node.value else {
            diagnostics.push(wrong_shape::error(node, &format!("`{key}`"), "`true` or `false`"));
            return None;
        };
        Some(value)
    }

    /// The whole number of that key, if it is there.
    pub fn integer(&self, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<i64>> {
        let node = self.get(key)?;
        let number = match &node.value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(value) => Some(Spanned { value, span: node.span }),
            None => {
                diagnostics.push(wrong_shape::error(node, &format!("`{key}`"), "a whole number"));
                None
            }
        }
    }
}

/// The text of a scalar; `what` is the key it belongs to.
pub fn text(node: &Node, what: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
    let Value::String(value) = &node.value else {
        diagnostics.push(wrong_shape::error(node, &format!("`{what}`"), "a text"));
        return None;
    };
    Some(Spanned { value: value.clone(), span: node.span })
}

/// The elements of a sequence; `what` is the key it belongs to. Nothing at all is an empty one.
pub fn sequence<'a>(node: &'a Node, what: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<&'a [Node]> {
    match &node.value {
        Value::Sequence(elements) => Some(elements),
        Value::Null => Some(&[]),
        _ => {
            diagnostics.push(wrong_shape::error(node, &format!("`{what}`"), "a list"));
            None
        }
    }
}

/// The entries of a mapping with free keys; `what` is the key it belongs to. Nothing at all is an empty one.
pub fn mapping<'a>(node: &'a Node, what: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<&'a [Entry]> {
    match &node.value {
        Value::Mapping(entries) => Some(entries),
        Value::Null => Some(&[]),
        _ => {
            diagnostics.push(wrong_shape::error(node, &format!("`{what}`"), "a mapping of names to values"));
            None
        }
    }
}
