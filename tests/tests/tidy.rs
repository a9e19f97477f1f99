//! The repository's rules, as far as a text can show that they are kept. Each finding names its file and line.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    fs,
    path::{Path, PathBuf},
};

use specql_tests::app::repository;

/// Where a file's seam should have been found long before.
const MOST_LINES: usize = 600;

/// The only folders and files with SQL text, as the invariants in `ARCHITECTURE.md` name them: the compiler's emitter and
/// the queue's client, what must run before a schema exists, and what alters one table into another, and what shows users
/// how a function of their own looks.
const SQL: [&str; 6] = [
    "specql-compiler/src/diagnostics/rules/sq0144_function_body.rs",
    "specql-compiler/src/sql/",
    "specql-compiler/src/migrations/diff/",
    "specql-runtime/src/queue/",
    "specql-runtime/src/database/",
    "specql-runtime/src/testing.rs",
];

/// How a statement begins. The space behind tells SQL from a word of prose at the end of a line.
const STATEMENTS: [&str; 20] = [
    "SELECT ",
    "INSERT INTO ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE VIEW ",
    "CREATE SCHEMA ",
    "CREATE INDEX ",
    "CREATE FUNCTION ",
    "CREATE OR REPLACE ",
    "CREATE DATABASE ",
    "CREATE ROLE ",
    "ALTER TABLE ",
    "ADD COLUMN ",
    "DROP TABLE ",
    "DROP FUNCTION ",
    "DROP DATABASE ",
    "COMMENT ON ",
    "GRANT ",
    "REVOKE ",
];

/// A file of ours: its path within the repository, and its text.
struct File {
    path: String,
    text: String,
}

/// One line of a Rust file.
struct Line<'a> {
    place: String,
    text: &'a str,
}

impl File {
    fn is_rust(&self) -> bool {
        has_extension(&self.path, "rs")
    }

    fn is_generated(&self) -> bool {
        self.text.lines().take(2).any(|line| line.contains("@generated"))
    }

    /// Tests, examples and benchmarks are free to say what the product may not.
    fn is_product(&self) -> bool {
        let free = ["tests/", "examples/", "xtask/", "benches/"];
        self.is_rust()
            && !free.iter().any(|folder| self.path.starts_with(folder))
            && !["/tests/", "/benches/", "/examples/"].iter().any(|folder| self.path.contains(folder))
            && !["/tests.rs", "/fixture.rs"].iter().any(|file| self.path.ends_with(file))
    }

    /// The lines that are compiled into the product: no comments, and not the tests at a file's end.
    fn code(&self) -> impl Iterator<Item = Line<'_>> {
        let lines = self.text.lines().enumerate();
        lines
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, text)| Line { place: format!("{}:{}", self.path, index + 1), text })
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// All files that people write, in order.
fn files() -> Vec<File> {
    let root = repository();
    let mut waiting: Vec<PathBuf> = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    waiting.push(path);
                }
                continue;
            }
            let shown = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            if ["rs", "sql", "md", "yaml", "toml"].iter().any(|extension| has_extension(&shown, extension)) {
                files.push(File { text: fs::read_to_string(&path).unwrap(), path: shown });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.iter().filter(|file| file.is_product()).count() > 100, "the sources were not found");
    files
}

#[test]
fn no_source_file_is_long() {
    for file in files() {
        let written =
            file.is_rust() || file.path.starts_with("specql-compiler/src/sql/") || file.path.ends_with(".yaml");
        // Golden files are as long as what they show.
        if written && !file.is_generated() && !file.path.contains("/testdata/") {
            let lines = file.text.lines().count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines: find its seam", file.path);
        }
    }
}

#[test]
fn every_crate_begins_with_its_map() {
    let crates =
        files().into_iter().filter(|file| file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs"));
    for file in crates {
        assert!(file.text.starts_with("//!"), "{} does not say what it is", file.path);
    }
}

#[test]
fn sql_is_written_in_its_folders_only() {
    let files = files();
    let architecture = files.iter().find(|file| file.path == "ARCHITECTURE.md").unwrap();
    let invariants = architecture.text.split("## Invariants").nth(1).unwrap();
    for place in SQL {
        let last = place.trim_end_matches('/').rsplit('/').next().unwrap();
        assert!(invariants.contains(last), "the invariants do not name `{place}`");
    }
    for file in files.iter().filter(|file| file.is_product()) {
        if SQL.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        for Line { place, text } in file.code() {
            if let Some(found) = STATEMENTS.iter().find(|statement| text.contains(**statement)) {
                panic!("{place}: `{}` is SQL, which stands in {SQL:?}", found.trim());
            }
        }
    }
}

/// How a type is spelt in a language stands where that language is emitted.
#[test]
fn the_registry_spells_no_type_of_another_language() {
    let words = ["TEXT\"", "NUMERIC(", "TIMESTAMPTZ", "JSONB", "DOUBLE PRECISION", "typescript", "\"string\""];
    let files = files();
    let registry = files.iter().filter(|file| file.is_product() && file.path.starts_with("registry/src/"));
    for Line { place, text } in registry.flat_map(File::code) {
        let found = words.iter().find(|word| text.contains(**word));
        assert_eq!(found, None, "{place}: it belongs in specql-compiler/src/sql/types.rs or typescript/types.rs");
    }
}

/// The modules of the compiler that a module may name besides itself: what is read knows nothing of what is made of it,
/// emitters read the model, and the history knows none of the languages that carry it.
const KNOWS: [(&str, &[&str]); 11] = [
    ("diagnostics", &["source"]),
    ("source", &["diagnostics", "keys"]),
    ("keys", &[]),
    ("syntax", &["diagnostics", "keys", "source"]),
    ("domain", &["diagnostics", "keys", "source", "syntax"]),
    ("registry", &["diagnostics", "keys", "source", "syntax"]),
    ("model", &["source", "syntax"]),
    ("sql", &["model", "source"]),
    ("migrations", &["diagnostics", "model", "outputs", "source", "sql"]),
    ("rust", &["migrations", "model"]),
    ("typescript", &["model"]),
];

/// The modules of its crate that a text names: `crate::model::…`, and those in `crate::{…}`.
fn modules_named(text: &str) -> Vec<&str> {
    let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut found = Vec::new();
    for (start, name) in text.match_indices("crate::") {
        let rest = &text[start + name.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(&rest[..word(rest)]);
            continue;
        };
        let (mut depth, mut begins) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                ',' | '}' if depth == 0 => {
                    let item = group[begins..at].trim_start();
                    found.extend(Some(&item[..word(item)]).filter(|item| !item.is_empty()));
                    begins = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

#[test]
fn what_is_read_knows_nothing_of_what_is_made_of_it() {
    assert_eq!(modules_named("use crate::{\n a::{b, c},\n d,\n}; crate::e::f(g)"), ["a", "d", "e"]);
    for file in files().iter().filter(|file| file.is_product()) {
        let Some(inner) = file.path.strip_prefix("specql-compiler/src/") else { continue };
        let module = inner.split(['/', '.']).next().unwrap();
        let Some((_, known)) = KNOWS.iter().find(|(name, _)| *name == module) else { continue };
        let code: Vec<&str> = file.code().map(|line| line.text).collect();
        let code = code.join("\n");
        let is_backwards = |found: &&str| *found != module && !known.contains(found);
        let found = modules_named(&code).into_iter().find(is_backwards);
        assert_eq!(found, None, "{}: `{module}` may name only {known:?} of the compiler's modules", file.path);
    }
}

/// An identifier or a literal that is made by putting quotes around a value is an injection in waiting.
#[test]
fn quote_rs_alone_makes_identifiers_and_literals() {
    let by_hand = |text: &str| {
        let names = text.match_indices("\\\"{").map(|(start, _)| (start, "\\\"{", "}\\\""));
        let texts = text.match_indices("'{").map(|(start, _)| (start, "'{", "}'"));
        names.chain(texts).any(|(start, open, close)| {
            // `'{}'::jsonb` is an empty document, and `'{{…}}'` a braced text: a value has a name or is a whole `{}`.
            let rest = &text[start + open.len()..];
            rest.find(close).is_some_and(|end| {
                let inside = &rest[..end];
                !inside.is_empty() && inside.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '?'))
            })
        })
    };
    assert!(by_hand(r#"format!("\"{name}\"")"#) && by_hand("format!(\"'{text}'\")"));
    assert!(!by_hand("\"'{}'::jsonb\"") && !by_hand("let open = '{';"));
    for file in files().iter().filter(|file| file.is_product()) {
        let emits = ["specql-compiler/src/sql/", "specql-compiler/src/migrations/"];
        if !emits.iter().any(|folder| file.path.starts_with(folder)) || file.path.ends_with("sql/quote.rs") {
            continue;
        }
        for Line { place, text } in file.code() {
            assert!(!by_hand(text), "{place}: use `sql::quote`: {}", text.trim());
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, for this file is read too.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimpl", "emented!(")];
    for file in files() {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                panic!("{}:{}: `{word}`: do it, or say in the reference that it is not there", file.path, index + 1);
            }
        }
    }
}
