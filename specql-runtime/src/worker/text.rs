//! Makes what a runner answered fit to be stored: PostgreSQL's text and jsonb have no NUL, and a message has an end.

use serde_json::Value;

/// The longest message, in bytes.
const LONGEST_MESSAGE: usize = 8 * 1024;

/// A message without NUL, cut at a character where it is too long.
pub(crate) fn message(text: &str) -> String {
    let mut end = text.len().min(LONGEST_MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut kept = text[..end].replace('\0', "\u{fffd}");
    if end < text.len() {
        kept.push('…');
    }
    kept
}

/// A value without NUL in its strings and keys.
pub(crate) fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => Value::Array(items.into_iter().map(storable).collect()),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), storable(value))).collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nul_is_replaced_at_every_depth() {
        let value = storable(json!({"a\0": ["x\0y", {"b": "\0"}], "c": 1}));
        assert_eq!(value, json!({"a\u{fffd}": ["x\u{fffd}y", {"b": "\u{fffd}"}], "c": 1}));
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let text = "é".repeat(LONGEST_MESSAGE);
        let kept = message(&text);
        assert!(kept.len() <= LONGEST_MESSAGE + '…'.len_utf8());
        assert!(kept.ends_with("é…"));
        assert_eq!(message("a\0b"), "a\u{fffd}b");
    }
}
