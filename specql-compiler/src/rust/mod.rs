//! The model as Rust.

use crate::model::Model;

/// What the generated `PROJECT` says besides the model.
#[derive(Clone, Debug, Default)]
pub struct ProjectParts {
    /// The package's name.
    pub name: String,
    /// All migrations, by version.
    pub migrations: Vec<MigrationPart>,
}

/// A migration that goes into the binary.
#[derive(Clone, Debug)]
pub struct MigrationPart {
    /// `1` of `0001_init.sql`.
    pub version: i64,
    /// `init`.
    pub description: String,
    /// The text of the file.
    pub sql: String,
    /// Not sealed yet.
    pub open: bool,
    /// Undoes an open one.
    pub reverse: Option<String>,
}

/// The generated module, formatted.
#[must_use]
pub fn emit(_model: &Model, _project: &ProjectParts) -> String {
    String::new()
}
