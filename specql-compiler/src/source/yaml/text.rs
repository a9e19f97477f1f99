//! Characters and size: what is refused before a YAML reader sees it.

use super::MAX_BYTES;
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0002_yaml_budget::too_large, sq0005_forbidden_character::forbidden_character},
    },
    source::{FileId, Span},
};

/// Refuses a text that is too large or holds a character that readers treat differently.
///
/// Both YAML readers, editors and diff tools disagree on what NEL, LS, PS and a lone CR are; tabs in indentation are
/// an error in YAML but an invisible one. None of them is needed in a specification.
pub(super) fn check(file: FileId, text: &str) -> Result<(), Box<Diagnostic>> {
    let at = |start: usize, end: usize| Span {
        file,
        start: u32::try_from(start).unwrap_or(u32::MAX),
        end: u32::try_from(end).unwrap_or(u32::MAX),
    };
    if text.len() > MAX_BYTES {
        return Err(Box::new(too_large(at(0, 0), text.len())));
    }
    let mut characters = text.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        let why = match character {
            '\n' => continue,
            '\r' if matches!(characters.peek(), Some((_, '\n'))) => continue,
            '\u{feff}' if offset == 0 => continue,
            '\t' => "a tab",
            '\r' => "a carriage return without a line feed",
            '\0' => "a NUL character (is the file UTF-16?)",
            '\u{85}' => "a next-line character (U+0085)",
            '\u{2028}' => "a line separator (U+2028)",
            '\u{2029}' => "a paragraph separator (U+2029)",
            '\u{feff}' => "a byte order mark inside the text",
            '\u{fffd}' => "a replacement character (U+FFFD: the file is not UTF-8, or was damaged)",
            other if other.is_control() => "a control character",
            _ => continue,
        };
        return Err(Box::new(forbidden_character(at(offset, offset + character.len_utf8()), character, why)));
    }
    Ok(())
}
