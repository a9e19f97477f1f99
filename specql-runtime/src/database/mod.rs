//! The database: `DATABASE_URL`, else the embedded server; migrations.

use sqlx::PgPool;

use crate::Project;

/// A connection pool to a project's database.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    project: &'static Project,
}

impl Database {
    /// Takes an open pool, where the application makes its own.
    #[must_use]
    pub const fn from_pool(pool: PgPool, project: &'static Project) -> Self {
        Self { pool, project }
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
}
