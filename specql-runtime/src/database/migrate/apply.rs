//! One migration.

use sqlx::{
    Connection as _, PgConnection, SqlSafeStr as _,
    migrate::{Migrate as _, MigrateError as SqlxError, Migration as SqlxMigration, MigrationType},
};

use super::{
    MigrateError, Migrator,
    index::{ConcurrentIndex, LeftOver},
    open_step,
    patience::{Work, in_peace, patiently},
    session::set_lock_timeout,
    table::Table,
};
use crate::{Migration, queue::error::words};

/// First bytes of a migration that must not run in a transaction (sqlx's own rule).
pub(super) const NO_TRANSACTION: &str = "-- no-transaction";

/// Applies a migration that the database does not have.
pub(super) async fn apply(migrator: &mut Migrator, table: &Table, migration: &Migration) -> Result<(), MigrateError> {
    let is_index = ConcurrentIndex::of(migration.sql).is_some();
    let mut was_undone = true;
    let done = if migration.sql.starts_with(NO_TRANSACTION) {
        let work = OutsideTransaction { table, migration };
        // Rows are filled in batches, and those that are done stay. Nothing does of an index.
        was_undone = is_index;
        // Nobody queues behind an index that is made concurrently. What looks at rows or fills them wants strong locks for moments.
        let done = if is_index { in_peace(migrator, &work).await } else { patiently(migrator, &work).await };
        if done.is_err() {
            tidy_up(migrator, migration).await;
        }
        done
    } else {
        patiently(migrator, &InTransaction { table, migration }).await
    };
    done.map_err(|refusal| refusal.of(migration.version, migration.description, was_undone))
}

/// A migration whose statements and records are one transaction.
struct InTransaction<'a> {
    table: &'a Table,
    migration: &'a Migration,
}

impl Work for InTransaction<'_> {
    async fn once(&self, connection: &mut PgConnection) -> Result<(), SqlxError> {
        let mut transaction = connection.begin().await?;
        transaction.apply(self.table.name(), &for_sqlx(self.migration)).await?;
        if self.migration.open {
            open_step::record(&mut transaction, self.migration).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// A migration that is interrupted half way, or done and not recorded, when its process is killed.
struct OutsideTransaction<'a> {
    table: &'a Table,
    migration: &'a Migration,
}

impl Work for OutsideTransaction<'_> {
    async fn once(&self, connection: &mut PgConnection) -> Result<(), SqlxError> {
        let migration = for_sqlx(self.migration);
        if self.migration.open {
            // First: whatever becomes of it, it must be undone with its step.
            open_step::record(connection, self.migration).await?;
        }
        if let Some(index) = ConcurrentIndex::of(self.migration.sql) {
            match index.left_over(connection).await? {
                LeftOver::Nothing => {}
                LeftOver::Invalid => {
                    tracing::info!(
                        version = self.migration.version,
                        "dropping the INVALID index of an interrupted run"
                    );
                    index.drop_left_over(connection).await?;
                }
                LeftOver::Whole => {
                    tracing::info!(
                        version = self.migration.version,
                        "an interrupted run had built the index and not recorded it"
                    );
                    return connection.skip(self.table.name(), &migration).await;
                }
            }
        }
        connection.apply(self.table.name(), &migration).await?;
        Ok(())
    }
}

/// Nothing remains of an index that could not be built, unless somebody is in the way of that, too: then the next run drops it.
async fn tidy_up(migrator: &mut Migrator, migration: &Migration) {
    let Some(index) = ConcurrentIndex::of(migration.sql) else { return };
    let connection = &mut migrator.connection;
    let tidied = async {
        set_lock_timeout(connection, migrator.patience.lock_timeout).await?;
        if index.left_over(connection).await? == LeftOver::Invalid {
            index.drop_left_over(connection).await?;
        }
        Ok::<_, sqlx::Error>(())
    };
    if let Err(error) = tidied.await {
        let error = words(&error);
        tracing::warn!(version = migration.version, error, "an INVALID index remains until the next `db.migrate()`");
    }
}

fn for_sqlx(migration: &Migration) -> SqlxMigration {
    SqlxMigration::new(
        migration.version,
        migration.description.into(),
        MigrationType::Simple,
        migration.sql.into_sql_str(),
        migration.sql.starts_with(NO_TRANSACTION),
    )
}
