//! The reference of all keys: `docs/reference/keys.md`.

use std::fmt::Write as _;

use super::formats::{FORMATS, tables};
use crate::keys::{Key, Standing, Table};

/// The keys of every file format, as Markdown.
#[must_use]
pub fn keys() -> String {
    let mut text = "\
<!-- @generated from the compiler's tables of keys; `SPECQL_BLESS=1 cargo test -p specql-compiler --test manual` rewrites it -->

# All keys

Every key that may be written, what it takes, what holds without it, and what it does. A key that is not listed is an error.
"
    .to_owned();
    for format in &FORMATS {
        let _ = writeln!(text, "\n## {} files: `{}`", capitalised(format.name), format.files);
        for table in tables(format) {
            write_table(&mut text, table);
        }
    }
    text
}

fn write_table(text: &mut String, table: &Table) {
    let written: Vec<_> = table.keys().filter(|key| key.standing != Standing::Refused).collect();
    if !written.is_empty() {
        let _ = writeln!(
            text,
            "\n### {}\n\n| key | takes | without it | what it does |\n|---|---|---|---|",
            capitalised(table.what)
        );
        written.iter().for_each(|key| write_key(text, key));
    }
    let refused: Vec<_> =
        table.keys().filter(|key| key.standing == Standing::Refused).map(|key| format!("`{}`", key.name)).collect();
    if !refused.is_empty() && !written.is_empty() {
        let _ = writeln!(text, "\nKnown and refused, for nothing does yet what they say: {}.", refused.join(", "));
    }
}

fn write_key(text: &mut String, key: &Key) {
    let without = match (key.standing, key.default) {
        (Standing::Required, _) => "an error",
        (_, default) => default.unwrap_or(""),
    };
    let (takes, effect) = match key.standing {
        Standing::Warned => ("anything".to_owned(), format!("nothing, which is said ({})", key.effect)),
        _ => (key.shape.describe(), key.effect.to_owned()),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(text, "| `{}` | {} | {} | {} |", key.name, cell(&takes), cell(without), cell(&effect));
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
