//! Where the migrations are recorded in a database, beside those of another history: an application's own sqlx migrations.
//!
//! Two histories that begin with number 1 cannot share a table. sqlx's own configuration says which one is whose: the `sqlx.toml` in
//! the folder of SpecQL's migrations, or the project's, where that is about this folder.

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0020_invalid_settings::bad_setting, sq0612_shared_table::shared_table},
    },
    source::{
        SourceKind, Sources, Span,
        sqlx::{self, SqlxSettings, USUAL_TABLE, may_be_one},
    },
};

/// The table in which the migrations of the folder at `path` are recorded, as sqlx-cli finds it configured.
#[must_use]
pub fn table(sources: &Sources, path: &str, diagnostics: &mut Vec<Diagnostic>) -> String {
    let mut read = |at: &str| -> Option<SqlxSettings> {
        let (id, file) = sources.iter().find(|(_, file)| file.kind == SourceKind::SqlxSettings && file.path == at)?;
        Some(sqlx::read(id, file, diagnostics))
    };
    let (in_folder, project_s) = (read(&format!("{path}/{}", sqlx::FILE)), read(sqlx::FILE));
    if let Some(settings) = in_folder.as_ref().filter(|settings| settings.folder.value != path) {
        let what = format!(
            "`migrations-dir` must be `{path}`: sqlx-cli would apply the migrations of `{}` and record them as these",
            settings.folder.value
        );
        diagnostics.push(bad_setting(settings.folder.span, what));
    }
    let (ours, theirs) = match (in_folder, project_s) {
        (None, Some(settings)) if settings.folder.value == path => (Some(settings), None),
        settings => settings,
    };
    let name = |settings: Option<SqlxSettings>| settings.map_or_else(|| USUAL_TABLE.to_owned(), |it| it.table.value);
    let (ours, theirs) = (name(ours), name(theirs));
    let other = sources.iter().find(|(_, file)| file.kind == SourceKind::OtherMigration);
    if let Some((id, file)) = other.filter(|_| may_be_one(&ours, &theirs)) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let line = file.text.lines().next().unwrap_or_default().len();
        let span = Span { file: id, start: 0, end: u32::try_from(line).unwrap_or(u32::MAX) };
        diagnostics.push(shared_table(span, folder, path, &ours));
    }
    ours
}
