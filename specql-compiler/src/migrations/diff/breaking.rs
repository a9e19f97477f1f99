//! The record of migrations that binaries from before cannot go on with: `app.tb_breaking_migration`.

use crate::{
    migrations::plan::Step,
    sql::{ObjectKind, Schema, quote::literal},
};

/// Whether a database of this schema keeps the record.
#[must_use]
pub fn is_recorded(schema: &Schema) -> bool {
    let is_it = |name: &str| name == "app.tb_breaking_migration";
    schema.objects.iter().any(|object| object.kind == ObjectKind::Table && is_it(&object.name))
}

/// Records that migration `version` takes away what older binaries need, and what that is.
#[must_use]
pub fn record(version: i64, reasons: &[String]) -> Step {
    let reason = literal(&reasons.join("; "));
    let statement = format!("INSERT INTO app.tb_breaking_migration (version, reason)\nVALUES ({version}, {reason})");
    let note = "binaries that were built before this migration no longer run";
    Step { note: Some(note.to_owned()), statements: vec![statement], ..Step::default() }
}

/// Takes the record back.
#[must_use]
pub fn forget(version: i64) -> Step {
    let statement = format!("DELETE FROM app.tb_breaking_migration WHERE version = {version}");
    Step { statements: vec![statement], ..Step::default() }
}
