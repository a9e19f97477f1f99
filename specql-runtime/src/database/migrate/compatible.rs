//! Older binaries beside a newer database.
//!
//! While a new version is rolled out, or after it was rolled back, processes of the old one start on a database that has
//! migrations which they do not know. That is no harm, unless one of these took away what they need: such a migration says so in
//! `app.tb_breaking_migration`.

use sqlx::PgConnection;

use crate::Migration;

/// A newer version of the project has taken away what this binary needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this binary ends with migration {newest}, and the database has migration {version}, which took away what older binaries \
     need: {reason}; deploy a version of the project that has migration {version}"
)]
pub struct Incompatible {
    /// The newest migration of this binary.
    pub newest: i64,
    /// The migration that broke with it.
    pub version: i64,
    /// What it took away.
    pub reason: String,
}

/// A migration that takes away what older binaries need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breaking {
    /// Its number.
    pub(crate) version: i64,
    /// What it took away.
    pub(crate) reason: String,
}

/// The newest migration that a binary has; 0 where it has none.
pub(crate) fn newest(migrations: &[Migration]) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Whether a binary with these migrations may run where `breaking` was the last to break with older ones.
pub(crate) fn check(migrations: &[Migration], breaking: Option<Breaking>) -> Result<(), Incompatible> {
    let newest = newest(migrations);
    match breaking {
        Some(Breaking { version, reason }) if version > newest => Err(Incompatible { newest, version, reason }),
        _ => Ok(()),
    }
}

/// The last migration that broke with older binaries.
pub(super) async fn last_breaking(connection: &mut PgConnection) -> Result<Option<Breaking>, sqlx::Error> {
    let known: bool = sqlx::query_scalar("SELECT pg_catalog.to_regclass('app.tb_breaking_migration') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(None);
    }
    let found: Option<(i64, String)> =
        sqlx::query_as("SELECT version, reason FROM app.tb_breaking_migration ORDER BY version DESC LIMIT 1")
            .fetch_optional(connection)
            .await?;
    Ok(found.map(|(version, reason)| Breaking { version, reason }))
}
