//! Where a statement is sent: a database, a pool, a connection or the caller's own transaction.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::Database;

/// What `send` accepts: `&db`, `&pool`, `&mut connection`, `&mut transaction`.
pub trait Connection<'c> {
    /// The executor it becomes.
    type Executor: sqlx::Executor<'c, Database = Postgres> + 'c;

    /// Becomes an executor for one statement.
    fn into_executor(self) -> Self::Executor;
}

impl<'c> Connection<'c> for &'c Database {
    type Executor = &'c PgPool;
    fn into_executor(self) -> Self::Executor {
        self.pool()
    }
}

impl<'c> Connection<'c> for &'c PgPool {
    type Executor = Self;
    fn into_executor(self) -> Self::Executor {
        self
    }
}

impl<'c> Connection<'c> for &'c mut PgConnection {
    type Executor = Self;
    fn into_executor(self) -> Self::Executor {
        self
    }
}

impl<'c> Connection<'c> for &'c mut Transaction<'_, Postgres> {
    type Executor = &'c mut PgConnection;
    fn into_executor(self) -> Self::Executor {
        self
    }
}
