//! The database: `DATABASE_URL`, else the embedded server; migrations; roles.

#[cfg(all(feature = "embedded", unix))]
pub mod embedded;
pub(crate) mod migrate;
mod open;
pub(crate) mod pooler;
pub mod roles;

use std::sync::Arc;

use sqlx::PgPool;

pub use migrate::{Awaited, Blocker, Incompatible, LockPatience, MigrateError};
pub use open::OpenError;
pub use pooler::PooledByTransaction;

use crate::Project;

/// A connection pool to a project's database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    project: &'static Project,
    /// Keeps the embedded server running while this process uses it.
    server: Option<Arc<dyn std::any::Any + Send + Sync>>,
    /// What [`Database::may_undo_open`] said.
    may_undo_open: Option<bool>,
}

impl Database {
    /// Opens the project's database: `DATABASE_URL` where it is set, else the embedded server, which is started (and, the
    /// first time, created) when it is not running. It stops when the last process that uses it has ended.
    ///
    /// # Errors
    /// [`OpenError`] says what was tried and what can be done about it. A set `DATABASE_URL` is never passed over.
    pub async fn open(project: &'static Project) -> Result<Self, OpenError> {
        open::open(project).await
    }

    /// Takes an open pool, where the application makes its own.
    #[must_use]
    pub const fn from_pool(pool: PgPool, project: &'static Project) -> Self {
        Self { pool, project, server: None, may_undo_open: None }
    }

    /// Brings the schema up to the project's migrations, and tells the database which operations there are.
    ///
    /// Any number of processes may do so at once; one works, the others wait. In a debug build the open migration is
    /// applied too; when it has changed since, its old form is undone first, with what rows have in it. Where
    /// [`Database::may_undo_open`] says no, that is refused.
    ///
    /// Where the database has all of the project's migrations and newer ones, because a newer version was deployed, this does
    /// nothing, unless one of these took away what this version needs: then it refuses.
    ///
    /// It waits for locks, and for others that migrate, as the default of [`LockPatience`] says. A pooler that gives it another
    /// session for each transaction is refused before anything is done. Killed at any point, it goes on from there when it is called
    /// again.
    ///
    /// At the end it looks whether the functions are there that the project declares without a body, and refuses where one is not.
    ///
    /// # Errors
    /// [`MigrateError`], with what to do; what had been applied before stays applied.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        self.migrate_with(LockPatience::default()).await
    }

    /// [`Database::migrate`] with more or less patience for locks that others hold.
    ///
    /// # Errors
    /// [`MigrateError`], with what to do; what had been applied before stays applied.
    pub async fn migrate_with(&self, patience: LockPatience) -> Result<(), MigrateError> {
        migrate::migrate(self, patience).await
    }

    /// Says whether debug builds may undo open migrations here that have changed, with what rows have in them. Otherwise they may in the
    /// embedded database, which is this project's own, and where the environment variable `SPECQL_UNDO_OPEN` is `1`: others may use
    /// any other one, with newer builds.
    #[must_use]
    pub fn may_undo_open(self, may: bool) -> Self {
        Self { may_undo_open: Some(may), ..self }
    }

    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The project it was opened for.
    #[must_use]
    pub const fn project(&self) -> &'static Project {
        self.project
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
        self.pool.begin().await
    }

    /// Begins a transaction that acts for a tenant: it sees and touches that tenant's rows and jobs, and no other's.
    ///
    /// Rows of a multi-tenant schema are seen in no other way: without a tenant, there are none.
    ///
    /// ```no_run
    /// # async fn example(db: &specql_runtime::Database, tenant: uuid::Uuid) -> Result<(), sqlx::Error> {
    /// let mut tx = db.begin_as(tenant).await?;
    /// let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM sales.v_order").fetch_one(&mut *tx).await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin_as(
        &self,
        tenant: uuid::Uuid,
    ) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        crate::queue::client::act_for(&mut transaction, tenant).await?;
        Ok(transaction)
    }
}
