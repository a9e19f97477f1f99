//! Baselines: one migration that stands for all before it that a build wrote. Beside it, those that were written by hand have other
//! numbers, and each stands for itself.
//!
//! A fresh database gets the baseline. One that has every migration it stands for gets its row in their place, for it is the same
//! schema. What it stands for stays on record in `app.tb_replaced_migration`: a binary from before the squash, rolled back to or
//! still being rolled out, finds its own migrations there.

use sqlx::{Connection as _, PgConnection};

use super::{MigrateError, applied::checksum_of, table::Table};
use crate::Migration;

/// Puts the rows of what a squash has left in the place of what it stands for: all at once, for one may have another's old number.
pub(super) async fn replace(
    connection: &mut PgConnection,
    table: &Table,
    migrations: &[Migration],
) -> Result<(), MigrateError> {
    let squashed: Vec<&Migration> = migrations.iter().filter(|migration| !migration.replaces.is_empty()).collect();
    let replaced: Vec<(i64, &str)> = squashed.iter().flat_map(|one| one.replaces.iter().copied()).collect();
    let old: Vec<i64> = replaced.iter().map(|(version, _)| *version).collect();
    let all: Vec<i64> = squashed.iter().map(|one| one.version).chain(old.iter().copied()).collect();
    let rows = if all.is_empty() { Vec::new() } else { table.applied(&mut *connection, &all).await? };
    let is_there = |one: &Migration| {
        let checksum = checksum_of(one);
        let is_old = replaced.iter().any(|(version, sha384)| *version == one.version && *sha384 == hex(&checksum));
        !is_old && rows.iter().any(|(version, _, found)| *version == one.version && *found == checksum)
    };
    if rows.is_empty() || squashed.iter().any(|one| is_there(one)) {
        return Ok(());
    }
    for one in &squashed {
        check(one, &rows)?;
    }
    let mut transaction = connection.begin().await?;
    table.forget(&mut transaction, &old).await?;
    for one in &squashed {
        table.record(&mut transaction, (one.version, one.description, &checksum_of(one))).await?;
    }
    transaction.commit().await?;
    tracing::info!(replaced = old.len(), "a baseline took the place of earlier migrations");
    Ok(())
}

/// Whether a database with these rows has all that a migration stands for.
fn check(baseline: &Migration, rows: &[(i64, String, Vec<u8>)]) -> Result<(), MigrateError> {
    for &(version, sha384) in baseline.replaces {
        let Some((_, description, found)) = rows.iter().find(|(found, ..)| *found == version) else {
            return Err(MigrateError::PartlyReplaced {
                version: baseline.version,
                description: baseline.description.to_owned(),
                replaced: baseline.replaces.len(),
                missing: version,
            });
        };
        if hex(found) != sha384 {
            return Err(MigrateError::Changed { version, description: description.clone() });
        }
    }
    Ok(())
}

/// Keeps what baselines stand for on record.
pub(super) async fn remember(connection: &mut PgConnection, migrations: &[Migration]) -> Result<(), sqlx::Error> {
    let baselines: Vec<&Migration> = migrations.iter().filter(|migration| !migration.replaces.is_empty()).collect();
    if baselines.is_empty() || !is_recorded(connection).await? {
        return Ok(());
    }
    for baseline in baselines {
        let (versions, checksums): (Vec<i64>, Vec<&str>) = baseline.replaces.iter().copied().unzip();
        sqlx::query(
            "INSERT INTO app.tb_replaced_migration (version, checksum, baseline)
                 SELECT r.version, pg_catalog.decode(r.checksum, 'hex'), $3 FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS r(version, checksum)
                 ON CONFLICT DO NOTHING",
        )
        .bind(versions)
        .bind(checksums)
        .bind(baseline.version)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Whether this database keeps such a record.
pub(super) async fn is_recorded(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_catalog.to_regclass('app.tb_replaced_migration') IS NOT NULL")
        .fetch_one(connection)
        .await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
