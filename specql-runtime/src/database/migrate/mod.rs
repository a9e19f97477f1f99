//! Bringing a database up to a project's migrations.
//!
//! Sealed migrations are plain sqlx migrations, recorded in `_sqlx_migrations`: sqlx-cli and this agree on what is applied. Whatever
//! interrupts a run, the next one goes on from there, or says what a person must do.
//!
//! | module | holds |
//! |---|---|
//! | `session` | the connection that migrates, and its limits |
//! | `turn` | one process at a time |
//! | `table` | sqlx's table, wherever it is |
//! | `applied` | what the database says of its history |
//! | `standing` | what that means for this binary |
//! | `compatible` | older binaries beside a newer database |
//! | `apply` | one migration |
//! | `index` | what an interrupted `CREATE INDEX CONCURRENTLY` leaves |
//! | `open_step` | what is not sealed yet: recorded with its reverse, undone when it has changed |
//! | `squash` | baselines, which stand for earlier migrations |
//! | `patience`, `blockers` | locks that others hold: waited for briefly, again and again; and who they are |

mod applied;
mod apply;
mod blockers;
pub(crate) mod compatible;
mod error;
mod index;
mod open_step;
mod patience;
mod session;
mod squash;
mod standing;
mod table;
mod turn;

use std::time::Duration;

use specql_registry::Registry;
use sqlx::{Connection as _, PgConnection};

pub use blockers::{Awaited, Blocker};
pub use compatible::Incompatible;
pub use error::MigrateError;
pub use patience::LockPatience;

use self::{applied::Applied, blockers::Watch, standing::Standing, table::Table, turn::Turn};
use super::Database;
use crate::{
    Migration, Project,
    queue::{Link, functions, registration::operation_records},
};

/// Who migrates.
struct Migrator {
    connection: PgConnection,
    /// Sees from outside whom that session waits for.
    watch: Watch,
    patience: LockPatience,
    /// Open migrations are applied in debug builds only.
    development: bool,
    /// What they left is undone, with what rows have in it.
    may_undo: bool,
}

/// Lets debug builds undo open migrations in any database: `1`.
const UNDO: &str = "SPECQL_UNDO_OPEN";

/// See [`Database::may_undo_open`].
fn may_undo(database: &Database) -> bool {
    let told = || std::env::var(UNDO).is_ok_and(|told| told == "1");
    cfg!(debug_assertions) && database.may_undo_open.unwrap_or_else(|| database.server.is_some() || told())
}

pub(super) async fn migrate(database: &Database, patience: LockPatience) -> Result<(), MigrateError> {
    let project = database.project;
    let mut connection = session::open(&database.pool).await?;
    let pid: i32 = sqlx::query_scalar("SELECT pg_catalog.pg_backend_pid()").fetch_one(&mut connection).await?;
    let turn = Turn::take(&mut connection, patience).await?;
    let watch = Watch::new(&database.pool.connect_options(), pid);
    let mut migrator =
        Migrator { connection, watch, patience, development: cfg!(debug_assertions), may_undo: may_undo(database) };
    let result = bring_up(&mut migrator, project.migrations).await;
    turn.give_back(&mut migrator.connection).await;
    let closed = migrator.connection.close().await;
    if let Some(newest) = result? {
        let known = compatible::newest(project.migrations);
        tracing::info!(
            newest,
            known,
            "the database has newer migrations than this binary, which runs and leaves them alone"
        );
        return Ok(());
    }
    closed?;
    if project.uses_jobs {
        register_operations(database, project).await?;
    }
    // Last: a migration may make them, and what they are missing for is not all that the project does.
    let mut connection = database.pool.acquire().await?;
    let missing = functions::missing(&mut connection, project.functions).await?;
    if missing.is_empty() { Ok(()) } else { Err(MigrateError::Functions(missing)) }
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

/// Applies what is missing. `Some`: the database is newer than the binary, by a migration of this number, and nothing was done.
async fn bring_up(migrator: &mut Migrator, migrations: &[Migration]) -> Result<Option<i64>, MigrateError> {
    if !migrator.development
        && let Some(open) = migrations.iter().find(|migration| migration.open)
    {
        return Err(MigrateError::Open { version: open.version, description: open.description.to_owned() });
    }
    let table = Table::find_or_make(&mut migrator.connection).await?;
    squash::replace(&mut migrator.connection, &table, migrations).await?;
    open_step::reconcile(migrator, &table, migrations).await?;
    let applied = Applied::read(&mut migrator.connection, &table).await?;
    let missing = match standing::standing(&applied, migrations)? {
        Standing::Ahead { newest } => return Ok(Some(newest)),
        Standing::Behind(missing) => missing,
    };
    if applied.rows.values().any(|row| !row.success) {
        // Of indexes, as an older sqlx recorded them before they were built: they are looked after below.
        table.forget_failed(&mut migrator.connection).await?;
    }
    for migration in missing {
        apply::apply(migrator, &table, migration).await?;
    }
    open_step::adopt(&mut migrator.connection, migrations, &applied).await?;
    squash::remember(&mut migrator.connection, migrations).await?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;

    const fn migration(version: i64, sql: &'static str, reverse: Option<&'static str>) -> Migration {
        Migration { version, description: "step", sql, open: reverse.is_some(), reverse, replaces: &[] }
    }

    const FIRST: Migration = migration(
        1,
        "CREATE SCHEMA app; CREATE TABLE app.tb_open_migration (version BIGINT PRIMARY KEY, description TEXT NOT NULL, reverse_sql TEXT NOT NULL)",
        None,
    );
    const OPEN: Migration = migration(2, "CREATE TABLE app.tb_a ()", Some("DROP TABLE app.tb_a"));

    async fn as_build(
        database: &Database,
        development: bool,
        migrations: &[Migration],
    ) -> Result<Option<i64>, MigrateError> {
        let connection = session::open(&database.pool).await?;
        let watch = Watch::new(&database.pool.connect_options(), 0);
        let patience = LockPatience::default();
        bring_up(&mut Migrator { connection, watch, patience, development, may_undo: development }, migrations).await
    }

    /// Tests are a debug build, and what a release build does must be asked for.
    #[tokio::test]
    async fn a_release_build_applies_no_open_migration_and_undoes_none() {
        let database = TestDatabase::from_sql("").await.unwrap();
        let refused = as_build(&database, false, &[FIRST, OPEN]).await.unwrap_err();
        assert!(matches!(refused, MigrateError::Open { version: 2, .. }), "{refused}");
        as_build(&database, true, &[FIRST, OPEN]).await.unwrap();

        let other = migration(2, "CREATE TABLE app.tb_b ()", None);
        let refused = as_build(&database, false, &[FIRST, other]).await.unwrap_err();
        assert!(matches!(refused, MigrateError::EarlierForm { version: 2, .. }), "{refused}");
        let older = as_build(&database, false, &[FIRST]).await.unwrap();
        assert_eq!(older, Some(2));
        let sealed = migration(2, OPEN.sql, None);
        assert_eq!(as_build(&database, false, &[FIRST, sealed]).await.unwrap(), None);
    }
}
