//! `sqlx.toml`, as far as it is about migrations: sqlx-cli reads it, and what applies SpecQL's must agree with it.
//!
//! ```toml
//! [migrate]
//! migrations-dir = "specql-migrations"     # `migrations` without it
//! table-name = "_specql_migrations"        # `_sqlx_migrations` without it
//! ```

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{FileId, SourceFile, Span, Spanned};
use crate::diagnostics::{
    Diagnostic,
    rules::sq0020_invalid_settings::{bad_setting, invalid_toml},
};

/// The name of the file.
pub const FILE: &str = "sqlx.toml";

/// The table in which sqlx records migrations, where nobody names another.
pub const USUAL_TABLE: &str = "_sqlx_migrations";

/// What it says of migrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlxSettings {
    /// The folder of the migrations that it is about.
    pub folder: Spanned<String>,
    /// The table in which they are recorded, as it is written.
    pub table: Spanned<String>,
}

/// Reads one.
#[must_use]
pub fn read(id: FileId, file: &SourceFile, diagnostics: &mut Vec<Diagnostic>) -> SqlxSettings {
    let at = |range: Range<usize>| Span {
        file: id,
        start: u32::try_from(range.start).unwrap_or(u32::MAX),
        end: u32::try_from(range.end).unwrap_or(u32::MAX),
    };
    let usual = |value: &str| Spanned { value: value.to_owned(), span: at(0..0) };
    let mut settings = SqlxSettings { folder: usual("migrations"), table: usual(USUAL_TABLE) };
    let table = match DeTable::parse(&file.text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            diagnostics.push(invalid_toml(at(error.span().unwrap_or_default()), error.message()));
            return settings;
        }
    };
    let migrate = table.iter().find(|(key, _)| key.get_ref() == "migrate");
    let Some(DeValue::Table(migrate)) = migrate.map(|(_, value)| value.get_ref()) else { return settings };
    for (key, value) in migrate {
        let span = at(value.span());
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("migrations-dir", DeValue::String(folder)) => {
                let folder = folder.trim_start_matches("./").trim_end_matches('/').to_owned();
                settings.folder = Spanned { value: folder, span };
            }
            ("table-name", DeValue::String(name)) if identifiers(name).is_some() => {
                settings.table = Spanned { value: name.to_string(), span };
            }
            ("table-name", _) => diagnostics.push(bad_setting(
                span,
                "`table-name` takes the name of a table, with its schema or without: `_specql_migrations`".to_owned(),
            )),
            ("ignored-chars", DeValue::Array(characters)) if !characters.is_empty() => diagnostics.push(bad_setting(
                span,
                "`ignored-chars` changes the hashes of migrations for sqlx-cli alone: leave it out".to_owned(),
            )),
            _ => {}
        }
    }
    settings
}

/// Whether two tables may be one: a name without a schema is looked for in all of them.
#[must_use]
pub fn may_be_one(one: &str, other: &str) -> bool {
    let parts = |name: &str| identifiers(name).unwrap_or_default();
    let (mut one, mut other) = (parts(one), parts(other));
    one.pop() == other.pop() && (one.is_empty() || other.is_empty() || one == other)
}

/// The one or two names that a table's consists of, as PostgreSQL reads them.
fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (name, behind) = quoted.split_once('"')?;
                (name.to_owned(), behind)
            }
            None => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let (name, behind) = rest.split_at(end);
                (name.to_ascii_lowercase(), behind)
            }
        };
        if name.is_empty() || (!rest.starts_with('"') && name.starts_with(|c: char| c.is_ascii_digit())) {
            return None;
        }
        names.push(name);
        match behind.strip_prefix('.') {
            Some(behind) if names.len() < 2 => rest = behind,
            None if behind.is_empty() => return Some(names),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceKind;

    fn settings(text: &str) -> (SqlxSettings, Vec<String>) {
        let mut found = Vec::new();
        let file = SourceFile::new(FILE, text, SourceKind::SqlxSettings);
        let settings = read(FileId(0), &file, &mut found);
        (settings, found.into_iter().map(|diagnostic| diagnostic.message).collect())
    }

    #[test]
    fn sqlx_s_defaults_stand_where_nothing_is_said() {
        for text in ["", "[common]\ndatabase-url-var = \"URL\"", "[migrate]\ncreate-schemas = [\"a\"]"] {
            let (settings, said) = settings(text);
            assert_eq!((settings.folder.value.as_str(), settings.table.value.as_str()), ("migrations", USUAL_TABLE));
            assert!(said.is_empty(), "{said:?}");
        }
    }

    #[test]
    fn folder_and_table_are_read() {
        let text = "[migrate]\nmigrations-dir = \"./db/steps/\"\ntable-name = 'ops.\"Done\"'\n";
        let (settings, said) = settings(text);
        assert_eq!((settings.folder.value.as_str(), settings.table.value.as_str()), ("db/steps", "ops.\"Done\""));
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn what_is_no_table_or_changes_hashes_is_refused() {
        for text in ["a.b.c", "a b", "", "1a", "a.", "\\\"a", "a; drop table b", "\\\"\\\""] {
            let (_, said) = settings(&format!("[migrate]\ntable-name = \"{text}\""));
            assert_eq!(said.len(), 1, "{text}");
        }
        assert_eq!(settings("[migrate]\ntable-name = 1").1.len(), 1);
        assert_eq!(settings("[migrate]\nignored-chars = [\"\\r\"]").1.len(), 1);
        assert_eq!(settings("[migrate").1.len(), 1);
    }

    #[test]
    fn tables_are_compared_as_postgresql_reads_them() {
        assert!(may_be_one("_sqlx_migrations", "public._SQLX_migrations"));
        assert!(may_be_one("a.t", "a.\"t\""));
        assert!(!may_be_one("a.t", "b.t") && !may_be_one("t", "\"T\"") && !may_be_one("t", "u"));
    }
}
