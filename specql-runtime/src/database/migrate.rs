//! Bringing a database up to a project's migrations.
//!
//! Sealed migrations are plain sqlx migrations in `_sqlx_migrations`: sqlx-cli and this agree on what is applied. The open
//! one is applied in debug builds only, and recorded with its reverse in `app.tb_open_migration`, so that an edited model
//! can take its place.

use std::{collections::HashMap, time::Duration};

use sha2::{Digest, Sha384};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqlSafeStr,
    migrate::{Migrate, Migration as SqlxMigration, MigrationType},
};

use specql_registry::Registry;

use super::Database;
use crate::{
    Migration, Project,
    queue::{Link, QueueError, registration::operation_records},
};

/// Where sqlx records what was applied.
const TABLE: &str = "_sqlx_migrations";

/// First bytes of a migration that must not run in a transaction (sqlx's own rule).
const NO_TRANSACTION: &str = "-- no-transaction";

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A sealed migration is not the one that was applied.
    #[error(
        "migration {version} ({description}) was applied in another form: its file was edited after it had been applied; \
         restore the file, or begin with a fresh database"
    )]
    Changed {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
    },
    /// The database has a migration that this binary does not know.
    #[error(
        "the database has migration {version}, which this binary does not know: it was built from an older state of the \
         project; build from the newer one"
    )]
    Unknown {
        /// Its number.
        version: i64,
    },
    /// An earlier run was interrupted in a migration that could not run in a transaction.
    #[error(
        "migration {version} was interrupted half way; look at what it left, mend that by hand, and delete its row in `_sqlx_migrations`"
    )]
    Dirty {
        /// Its number.
        version: i64,
    },
    /// A release build carries an open migration.
    #[error(
        "migration {version} ({description}) is open and this is a release build: run `cargo specql migrate seal` and build again"
    )]
    Open {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
    },
    /// A migration's SQL failed; nothing of it remains.
    #[error("migration {version} ({description}) failed and was undone: {source}")]
    Failed {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// What PostgreSQL said.
        source: sqlx::migrate::MigrateError,
    },
    /// The old form of the open migration could not be undone.
    #[error(
        "the old form of the open migration {version} could not be undone: {source}; in development, `DROP DATABASE` or `specql db reset` begins afresh"
    )]
    Reverse {
        /// Its number.
        version: i64,
        /// What PostgreSQL said.
        source: sqlx::Error,
    },
    /// The project's registry is not what this run time understands.
    #[error("the project's registry cannot be read: {0}; build with one version of the specql crates")]
    Registry(#[source] serde_json::Error),
    /// The queue does not take the project's operations.
    #[error("the project's operations could not be registered: {0}")]
    Operations(#[source] QueueError),
    /// sqlx's own table.
    #[error(transparent)]
    Sqlx(#[from] sqlx::migrate::MigrateError),
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

pub(super) async fn migrate(database: &Database) -> Result<(), MigrateError> {
    // Not the pool's any more: the lock is its session's, and a migration that is cancelled must not leave it on a connection
    // that somebody else is given.
    let mut connection = database.pool.acquire().await?.detach();
    connection.lock().await?;
    let result = apply_all(&mut connection, database.project.migrations).await;
    // Which releases the lock, however it went.
    let closed = connection.close().await;
    result?;
    closed?;
    if database.project.uses_jobs {
        register_operations(database, database.project).await?;
    }
    Ok(())
}

/// Tells the queue what may be called, in the environment of `SPECQL_ENV`.
async fn register_operations(database: &Database, project: &Project) -> Result<(), MigrateError> {
    let registry: Registry = serde_json::from_str(project.registry).map_err(MigrateError::Registry)?;
    let environment = std::env::var("SPECQL_ENV").ok();
    let mut link = Link::new(&database.pool.connect_options(), "migrate", Duration::from_secs(30));
    let records = operation_records(&registry, environment.as_deref());
    link.register_operations(&records).await.map_err(MigrateError::Operations)?;
    Ok(())
}

async fn apply_all(connection: &mut PgConnection, migrations: &[Migration]) -> Result<(), MigrateError> {
    if !cfg!(debug_assertions)
        && let Some(open) = migrations.iter().find(|migration| migration.open)
    {
        return Err(MigrateError::Open { version: open.version, description: open.description.to_owned() });
    }
    connection.ensure_migrations_table(TABLE).await?;
    if let Some(version) = connection.dirty_version(TABLE).await? {
        return Err(MigrateError::Dirty { version });
    }
    undo_changed_open(connection, migrations).await?;
    let applied: HashMap<i64, Vec<u8>> = connection
        .list_applied_migrations(TABLE)
        .await?
        .into_iter()
        .map(|applied| (applied.version, applied.checksum.into_owned()))
        .collect();
    let mut versions: Vec<i64> = applied.keys().copied().collect();
    versions.sort_unstable();
    if let Some(version) = versions.into_iter().find(|version| migrations.iter().all(|known| known.version != *version))
    {
        return Err(MigrateError::Unknown { version });
    }
    for migration in migrations {
        match applied.get(&migration.version) {
            Some(checksum) if *checksum == checksum_of(migration) => {}
            Some(_) => {
                return Err(MigrateError::Changed {
                    version: migration.version,
                    description: migration.description.to_owned(),
                });
            }
            None => apply(connection, migration).await?,
        }
    }
    Ok(())
}

fn checksum_of(migration: &Migration) -> Vec<u8> {
    Sha384::digest(migration.sql).to_vec()
}

async fn apply(connection: &mut PgConnection, migration: &Migration) -> Result<(), MigrateError> {
    let no_transaction = migration.sql.starts_with(NO_TRANSACTION);
    let sqlx_migration = SqlxMigration::new(
        migration.version,
        migration.description.into(),
        MigrationType::Simple,
        migration.sql.into_sql_str(),
        no_transaction,
    );
    let failed = |source| MigrateError::Failed {
        version: migration.version,
        description: migration.description.to_owned(),
        source,
    };
    connection.apply(TABLE, &sqlx_migration).await.map_err(failed)?;
    if let (true, Some(reverse)) = (migration.open, migration.reverse) {
        sqlx::query("INSERT INTO app.tb_open_migration (version, description, reverse_sql) VALUES ($1, $2, $3)")
            .bind(migration.version)
            .bind(migration.description)
            .bind(reverse)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Undoes an applied open migration that the project no longer has in that form. One that was sealed since, unchanged,
/// merely stops being open.
async fn undo_changed_open(connection: &mut PgConnection, migrations: &[Migration]) -> Result<(), MigrateError> {
    let known: bool = sqlx::query_scalar("SELECT pg_catalog.to_regclass('app.tb_open_migration') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(());
    }
    let recorded: Vec<(i64, Vec<u8>, String)> = sqlx::query_as(
        "SELECT o.version, m.checksum, o.reverse_sql
             FROM app.tb_open_migration AS o
             JOIN _sqlx_migrations AS m ON m.version = o.version
             ORDER BY o.version DESC",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (version, checksum, reverse) in recorded {
        let now = migrations.iter().find(|migration| migration.version == version);
        match now {
            Some(migration) if checksum_of(migration) == checksum && migration.open => {}
            Some(migration) if checksum_of(migration) == checksum => {
                sqlx::query("DELETE FROM app.tb_open_migration WHERE version = $1")
                    .bind(version)
                    .execute(&mut *connection)
                    .await?;
            }
            _ => {
                undo(connection, version, reverse).await.map_err(|source| MigrateError::Reverse { version, source })?
            }
        }
    }
    Ok(())
}

/// The reverse and the removal of both records are one transaction. The records go first: the reverse of the very first
/// migration removes the schema `app` with them.
async fn undo(connection: &mut PgConnection, version: i64, reverse: String) -> Result<(), sqlx::Error> {
    tracing::info!(version, "the open migration has changed: undoing its old form");
    let mut transaction = connection.begin().await?;
    sqlx::query("DELETE FROM app.tb_open_migration WHERE version = $1")
        .bind(version)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = $1").bind(version).execute(&mut *transaction).await?;
    // Written by the compiler that wrote the migration itself, and recorded with it.
    sqlx::raw_sql(AssertSqlSafe(reverse)).execute(&mut *transaction).await?;
    transaction.commit().await
}
