//! The body of a function: where it is written, and whether it can be one.
//!
//! Nothing here reads SQL beyond its first word: PostgreSQL does, when the migration makes the function.

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0141_invalid_option as invalid_option, sq0143_body_file as body_file,
            sq0144_function_body as function_body,
        },
    },
    model::function::{Body, Language},
    source::{FileId, SourceFile, SourceKind, Sources, Span, Spanned},
    syntax::function::{FunctionSyntax, is_path_of_body},
};

/// The body of a function, where it has one that can be understood.
pub(super) fn check(sources: &Sources, written: &FunctionSyntax, diagnostics: &mut Vec<Diagnostic>) -> Option<Body> {
    let language = match &written.language {
        Some(written) => language(written, diagnostics)?,
        None => Language::default(),
    };
    let found = match (&written.sql, &written.file) {
        (Some(_), Some(file)) => Err(function_body::two(file.span)),
        (Some(sql), None) => Ok(Found::inline(sources, sql)),
        (None, Some(file)) => Found::in_file(sources, file),
        (None, None) => {
            diagnostics.extend(written.language.as_ref().map(|language| function_body::language_alone(language.span)));
            return None;
        }
    };
    match found.and_then(|found| found.body(&written.name.value, language)) {
        Ok(body) => Some(body),
        Err(problem) => {
            diagnostics.push(problem);
            None
        }
    }
}

fn language(written: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<Language> {
    let known = Language::ALL.into_iter().find(|language| language.name() == written.value);
    if known.is_none() {
        let message = format!("`language` cannot be `{}`", written.value.escape_debug());
        diagnostics.push(invalid_option::error(written.span, message, "it is `sql` or `plpgsql`"));
    }
    known
}

/// The text of a body, and where it is.
struct Found<'a> {
    text: &'a str,
    path: &'a str,
    /// Where its mistakes are shown, if its text is no file of its own.
    span: Span,
    /// The file that is its text.
    file: Option<FileId>,
}

impl<'a> Found<'a> {
    fn inline(sources: &'a Sources, sql: &'a Spanned<String>) -> Self {
        let path = sources.get(sql.span.file).map(|file| file.path.as_str()).unwrap_or_default();
        Self { text: &sql.value, path, span: sql.span, file: None }
    }

    fn in_file(sources: &'a Sources, path: &Spanned<String>) -> Result<Self, Diagnostic> {
        let Spanned { value, span } = path;
        if !is_path_of_body(value) {
            return Err(body_file::path(*span, value));
        }
        let is_it = |file: &SourceFile| file.path == *value;
        let bodies = sources.iter().filter(|(_, file)| file.kind == SourceKind::Body);
        let Some((id, file)) = bodies.into_iter().find(|(_, file)| is_it(file)) else {
            let other = sources.iter().any(|(_, file)| is_it(file));
            return Err(if other { body_file::other_part(*span, value) } else { body_file::missing(*span, value) });
        };
        let is_refused = |(_, c): &(usize, char)| c.is_control() && !"\t\r\n".contains(*c) || *c == '\u{fffd}';
        if let Some((at, _)) = file.text.char_indices().find(is_refused) {
            return Err(body_file::character(in_file(id, at, at), value));
        }
        Ok(Self { text: &file.text, path: &file.path, span: *span, file: Some(id) })
    }

    fn body(&self, name: &str, language: Language) -> Result<Body, Diagnostic> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        let skipped = self.text.len() - text.len();
        let (at, words) = first_words(text);
        let length = words.first().map_or(0, String::len);
        let span = self.file.map_or(self.span, |file| in_file(file, skipped + at, skipped + at + length));
        if text[at..].is_empty() {
            return Err(function_body::empty(span, name));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let ["CREATE", "FUNCTION" | "PROCEDURE", ..] | ["CREATE", "OR", "REPLACE", "FUNCTION" | "PROCEDURE"] =
            words[..]
        {
            return Err(function_body::whole_statement(span, name));
        }
        let is_block = matches!(words.first(), Some(&("BEGIN" | "DECLARE"))) || text[at..].starts_with(['#', '<']);
        let other = match language {
            Language::Sql if is_block => Some(Language::Plpgsql),
            Language::Plpgsql if !is_block => Some(Language::Sql),
            _ => None,
        };
        if let Some(other) = other {
            return Err(function_body::other_language(span, name, language.name(), other.name()));
        }
        Ok(Body { language, text: text.replace("\r\n", "\n").trim_end().to_owned(), path: self.path.to_owned() })
    }
}

fn in_file(file: FileId, start: usize, end: usize) -> Span {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file, start: offset(start), end: offset(end) }
}

/// How many words tell a body from a statement.
const WORDS: usize = 4;

/// Where the first thing stands that is no blank and no comment, and the first words from there on, in capitals.
fn first_words(text: &str) -> (usize, Vec<String>) {
    let mut at = skip_blanks(text, 0);
    let first = at;
    let mut words = Vec::new();
    while words.len() < WORDS {
        let word: String = text[at..].chars().take_while(char::is_ascii_alphabetic).collect();
        if word.is_empty() {
            break;
        }
        at = skip_blanks(text, at + word.len());
        words.push(word.to_ascii_uppercase());
    }
    (first, words)
}

/// The place behind blanks and comments.
fn skip_blanks(text: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.starts_with("--") {
            at += trimmed.find('\n').unwrap_or(trimmed.len());
        } else if trimmed.starts_with("/*") {
            at += comment_length(trimmed);
        } else {
            return at;
        }
    }
}

/// How long the comment is that a text begins with. PostgreSQL's comments may stand in each other.
fn comment_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stand_before_the_first_words() {
        let words = |text: &str| first_words(text).1.join(" ");
        assert_eq!(words("SELECT 1"), "SELECT");
        assert_eq!(
            words("-- a\n  /* b /* c */ ü */\n create\tor -- d\nreplace function x"),
            "CREATE OR REPLACE FUNCTION"
        );
        assert_eq!(words("(SELECT 1)"), "");
        assert_eq!(first_words("  -- only this"), (14, Vec::new()));
        assert_eq!(first_words("/* never ends"), (13, Vec::new()));
        assert_eq!(first_words("/**/"), (4, Vec::new()));
        assert_eq!(first_words(""), (0, Vec::new()));
    }
}
