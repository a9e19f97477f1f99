//! Baselines: one migration that stands for all before it.
//!
//! A fresh database gets the baseline. One that has every migration it stands for gets its row in their place, for it is the same
//! schema. What it stands for stays on record in `app.tb_replaced_migration`: a binary from before the squash, rolled back to or
//! still being rolled out, finds its own migrations there.

use sqlx::{Connection as _, PgConnection};

use super::{MigrateError, applied::checksum_of, table::Table};
use crate::Migration;

/// Puts the rows of baselines in the place of what they stand for.
pub(super) async fn replace(
    connection: &mut PgConnection,
    table: &Table,
    migrations: &[Migration],
) -> Result<(), MigrateError> {
    for baseline in migrations.iter().filter(|migration| !migration.replaces.is_empty()) {
        replace_by(connection, table, baseline).await?;
    }
    Ok(())
}

async fn replace_by(connection: &mut PgConnection, table: &Table, baseline: &Migration) -> Result<(), MigrateError> {
    let replaced: Vec<i64> = baseline.replaces.iter().map(|(version, _)| *version).collect();
    let with_itself: Vec<i64> = replaced.iter().copied().chain([baseline.version]).collect();
    let rows = table.applied(&mut *connection, &with_itself).await?;
    let checksum = checksum_of(baseline);
    if rows.is_empty() || rows.iter().any(|(version, _, found)| *version == baseline.version && *found == checksum) {
        return Ok(());
    }
    for &(version, sha384) in baseline.replaces {
        let Some((_, description, found)) = rows.iter().find(|(found, ..)| *found == version) else {
            return Err(MigrateError::PartlyReplaced {
                version: baseline.version,
                description: baseline.description.to_owned(),
                replaced: replaced.len(),
                missing: version,
            });
        };
        if hex(found) != sha384 {
            return Err(MigrateError::Changed { version, description: description.clone() });
        }
    }
    let mut transaction = connection.begin().await?;
    table.forget(&mut transaction, &replaced).await?;
    table.record(&mut transaction, (baseline.version, baseline.description, &checksum)).await?;
    transaction.commit().await?;
    tracing::info!(
        version = baseline.version,
        replaced = replaced.len(),
        "a baseline took the place of earlier migrations"
    );
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
