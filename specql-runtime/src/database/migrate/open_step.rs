//! The open step: what a build writes anew until it is sealed, applied in development and undone when it has changed.
//!
//! It is one file or several that follow each other. `app.tb_open_migration` has a row for each, and the first one's reverse undoes
//! all of them, also those that were not reached.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, migrate::MigrateError as SqlxError};

use super::{
    MigrateError, Migrator,
    applied::{Applied, checksum_of},
    patience::{Refusal, Work, patiently},
    table::Table,
};
use crate::Migration;

/// A recorded file of an open step.
#[derive(Debug)]
struct File {
    version: i64,
    description: String,
    reverse_sql: String,
    /// `None` where the file was begun and not ended.
    checksum: Option<Vec<u8>>,
}

/// Recorded files that are undone together.
#[derive(Debug)]
struct Step {
    files: Vec<File>,
}

/// Brings what is recorded of open steps into line with the project: one that has changed is undone, one that was sealed since,
/// unchanged, merely stops being open, be it under another name.
pub(super) async fn reconcile(
    migrator: &mut Migrator,
    table: &Table,
    migrations: &[Migration],
) -> Result<(), MigrateError> {
    for step in recorded(&mut migrator.connection, table).await?.into_iter().rev() {
        if step.is_unchanged(migrations) {
            step.follow(&mut migrator.connection, migrations).await?;
            continue;
        }
        let first = &step.files[0];
        let known = migrations.iter().any(|migration| migration.version == first.version);
        match (migrator.development, known) {
            (true, _) if migrator.may_undo => undo(migrator, table, &step).await?,
            (true, _) => {
                let (version, description) = (first.version, first.description.clone());
                return Err(MigrateError::WouldUndo { version, description });
            }
            (false, true) => {
                let (version, description) = (first.version, first.description.clone());
                return Err(MigrateError::EarlierForm { version, description });
            }
            // Newer than this binary, as far as it can tell.
            (false, false) => {}
        }
    }
    Ok(())
}

/// Records an open migration, with what undoes it.
pub(super) async fn record(connection: &mut PgConnection, migration: &Migration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO app.tb_open_migration (version, description, reverse_sql) VALUES ($1, $2, $3)
             ON CONFLICT (version) DO UPDATE SET reverse_sql = excluded.reverse_sql",
    )
    .bind(migration.version)
    .bind(migration.description)
    .bind(migration.reverse.unwrap_or_default())
    .execute(connection)
    .await
    .map(|_| ())
}

/// Records open migrations that another tool has applied, so that they, too, can be undone when they change.
pub(super) async fn adopt(
    connection: &mut PgConnection,
    migrations: &[Migration],
    applied: &Applied,
) -> Result<(), sqlx::Error> {
    let open = migrations.iter().filter(|migration| {
        migration.reverse.is_some() && migration.open && applied.is_unchanged(migration) == Some(true)
    });
    for migration in open {
        if is_recorded(connection).await? {
            record(connection, migration).await?;
        }
    }
    Ok(())
}

/// The steps, oldest first.
async fn recorded(connection: &mut PgConnection, table: &Table) -> Result<Vec<Step>, sqlx::Error> {
    if !is_recorded(connection).await? {
        return Ok(Vec::new());
    }
    let mut applied = table.rows(&mut *connection).await?;
    let files: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT version, description, reverse_sql FROM app.tb_open_migration ORDER BY version")
            .fetch_all(connection)
            .await?;
    let mut steps: Vec<Step> = Vec::new();
    for (version, description, reverse_sql) in files {
        let checksum = applied.remove(&version).map(|row| row.checksum);
        let file = File { version, description, reverse_sql, checksum };
        match steps.last_mut() {
            Some(step) if file.reverse_sql.is_empty() => step.files.push(file),
            _ => steps.push(Step { files: vec![file] }),
        }
    }
    Ok(steps)
}

/// Whether this database keeps such a record.
async fn is_recorded(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_catalog.to_regclass('app.tb_open_migration') IS NOT NULL").fetch_one(connection).await
}

impl Step {
    /// Whether the project has every file of it as it was applied. It may have more: those are still to come.
    fn is_unchanged(&self, migrations: &[Migration]) -> bool {
        self.files.iter().all(|file| {
            let now = migrations.iter().find(|migration| migration.version == file.version);
            now.is_some_and(|now| file.checksum.as_ref().is_none_or(|checksum| *checksum == checksum_of(now)))
        })
    }

    /// Records what the project says of it now: files that were sealed, and the reverse of the others, which may have grown by what a
    /// later file does.
    async fn follow(&self, connection: &mut PgConnection, migrations: &[Migration]) -> Result<(), sqlx::Error> {
        for file in &self.files {
            let Some(now) = migrations.iter().find(|migration| migration.version == file.version) else { continue };
            if !now.open {
                sqlx::query("DELETE FROM app.tb_open_migration WHERE version = $1")
                    .bind(file.version)
                    .execute(&mut *connection)
                    .await?;
            } else if now.reverse.unwrap_or_default() != file.reverse_sql {
                record(connection, now).await?;
            }
        }
        Ok(())
    }
}

/// A step that is undone, with all records of it.
struct Undone<'a> {
    table: &'a Table,
    step: &'a Step,
}

impl Work for Undone<'_> {
    /// The reverse and the removal of all records are one transaction. The records go first: the reverse of the very first
    /// migration removes the schema `app` with them.
    async fn once(&self, connection: &mut PgConnection) -> Result<(), SqlxError> {
        let versions: Vec<i64> = self.step.files.iter().map(|file| file.version).collect();
        let mut transaction = connection.begin().await?;
        sqlx::query("DELETE FROM app.tb_open_migration WHERE version = ANY ($1)")
            .bind(&versions)
            .execute(&mut *transaction)
            .await?;
        self.table.forget(&mut transaction, &versions).await?;
        // Written by the compiler that wrote the migrations themselves, and recorded with them.
        for file in self.step.files.iter().rev().filter(|file| !file.reverse_sql.is_empty()) {
            sqlx::raw_sql(AssertSqlSafe(file.reverse_sql.clone())).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn undo(migrator: &mut Migrator, table: &Table, step: &Step) -> Result<(), MigrateError> {
    let first = &step.files[0];
    let version = first.version;
    tracing::warn!(
        version,
        description = first.description,
        "the open migration has changed: undoing its old form, with what rows have in it"
    );
    patiently(migrator, &Undone { table, step }).await.map_err(|refusal| match refusal {
        Refusal::Failed(cause) => MigrateError::Reverse { version, cause },
        blocked => blocked.of(version, &first.description, true),
    })
}
