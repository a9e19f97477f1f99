//! Makes a message fit to be stored: PostgreSQL's text has no NUL, and a message has an end.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        let text = "é".repeat(LONGEST_MESSAGE);
        let kept = message(&text);
        assert!(kept.len() <= LONGEST_MESSAGE + '…'.len_utf8());
        assert!(kept.ends_with("é…"));
        assert_eq!(message("a\0b"), "a\u{fffd}b");
    }
}
