//! The only maker of SQL identifiers, literals, dollar quotes and comments.
//!
//! Whatever text comes in, what goes out is one token that PostgreSQL reads back as that text, under any value of
//! `standard_conforming_strings`, and that no reviewer can misread: control and bidirectional characters are escaped.
//! PostgreSQL cannot store NUL; the readers of sources refuse it, and what were to slip through becomes U+FFFD here.

use super::{
    keywords::is_keyword,
    writer::{filled, indented, list},
};

const REPLACEMENT: char = '\u{FFFD}';

/// An identifier, in quotes only where PostgreSQL needs them.
#[must_use]
pub fn ident(name: &str) -> String {
    let mut characters = name.chars();
    let plain = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_keyword(name);
    if plain {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars() {
        match c {
            '"' => out.push_str("\"\""),
            '\0' => out.push(REPLACEMENT),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `schema.name`.
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A string literal: `'…'`, or `E'…'` where something in it is escaped.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => {
                escaped = true;
                out.push_str("\\\\");
            }
            '\n' => {
                escaped = true;
                out.push_str("\\n");
            }
            '\t' => {
                escaped = true;
                out.push_str("\\t");
            }
            '\0' => out.push(REPLACEMENT),
            c if is_invisible(c) => {
                escaped = true;
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    if escaped { format!("E'{out}'") } else { format!("'{out}'") }
}

/// A `jsonb` literal.
#[must_use]
pub fn jsonb(value: &serde_json::Value) -> String {
    format!("{}::jsonb", literal(&value.to_string()))
}

/// An array of text: `ARRAY['a', 'b']`, on several lines where they are many, or an empty one with its type.
#[must_use]
pub fn text_array<T: AsRef<str>>(items: &[T]) -> String {
    if items.is_empty() {
        return "ARRAY[]::TEXT[]".to_owned();
    }
    let items: Vec<String> = items.iter().map(|item| literal(item.as_ref())).collect();
    let line = list("ARRAY[", &items, "]");
    if line.contains('\n') { format!("ARRAY[\n{}\n]", indented(&filled("", &items))) } else { line }
}

/// A dollar-quoted text on lines of its own, with a tag that does not occur in it.
#[must_use]
pub fn dollar(body: &str) -> String {
    let mut tag = "$specql$".to_owned();
    let mut number = 1_u32;
    while body.contains(&tag) {
        tag = format!("$specql_{number}$");
        number += 1;
    }
    format!("{tag}\n{}\n{tag}", body.trim_end_matches('\n'))
}

/// Text for the rest of a `--` line: one line, nothing in it that could end or open a comment, or mean something to psql.
#[must_use]
pub fn comment(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => line.push('/'),
            c if c.is_whitespace() || is_invisible(c) => line.push(' '),
            c => line.push(c),
        }
    }
    line.replace("*/", "* /").replace("/*", "/ *").trim_end().to_owned()
}

/// Control characters, line separators, and what changes the direction of text or has no width. All lie in the basic
/// plane, so four hex digits name them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted_only_when_needed() {
        assert_eq!(ident("customer_email"), "customer_email");
        assert_eq!(ident("_keys"), "_keys");
        for (name, quoted) in [
            ("order", "\"order\""),
            ("loop", "\"loop\""),
            ("Order", "\"Order\""),
            ("1st", "\"1st\""),
            ("", "\"\""),
            ("a\"b", "\"a\"\"b\""),
            ("a; drop table x", "\"a; drop table x\""),
            ("naïve", "\"naïve\""),
            ("a$1", "\"a$1\""),
        ] {
            assert_eq!(ident(name), quoted);
        }
    }

    #[test]
    fn literals_do_not_depend_on_standard_conforming_strings() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("50%"), "'50%'");
        assert_eq!(literal(r"\'; DROP TABLE x; --"), r"E'\\''; DROP TABLE x; --'");
        assert_eq!(literal("a\nb"), r"E'a\nb'");
        assert_eq!(literal("a\u{202E}b"), r"E'a\u202Eb'");
        assert_eq!(literal("a\0b"), "'a\u{FFFD}b'");
    }

    #[test]
    fn json_is_one_literal() {
        assert_eq!(jsonb(&serde_json::json!({"a": "it's"})), r#"'{"a":"it''s"}'::jsonb"#);
        assert_eq!(jsonb(&serde_json::json!("a\"b")), r#"E'"a\\"b"'::jsonb"#);
    }

    #[test]
    fn a_dollar_tag_never_occurs_in_its_body() {
        assert_eq!(dollar("BEGIN\nEND"), "$specql$\nBEGIN\nEND\n$specql$");
        let hostile = "SELECT '$specql$', '$specql_1$'";
        assert_eq!(dollar(hostile), format!("$specql_2$\n{hostile}\n$specql_2$"));
    }

    #[test]
    fn comments_stay_on_their_line() {
        assert_eq!(comment("a\nDROP TABLE x; */ /* \\! rm\u{2028}b"), "a DROP TABLE x; * / / * /! rm b");
    }
}
