//! Where a client's statement goes.

use sqlx::{FromRow, PgConnection, PgPool, Postgres, postgres::PgArguments, postgres::PgRow, query::QueryAs};

/// A pool, or one connection that may stand in the caller's own transaction.
///
/// Not a generic `Executor`: rustc could not prove that a future which holds one can be spawned.
#[derive(Debug)]
#[non_exhaustive]
pub enum Target<'c> {
    /// Any of its connections: what is sent has been committed when it is answered.
    Pool(PgPool),
    /// This connection.
    Connection(&'c mut PgConnection),
}

type Query<'q, T> = QueryAs<'q, Postgres, T, PgArguments>;

impl Target<'_> {
    pub(crate) async fn fetch_one<T>(self, query: Query<'_, T>) -> Result<T, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        match self {
            Self::Pool(pool) => query.fetch_one(&pool).await,
            Self::Connection(connection) => query.fetch_one(connection).await,
        }
    }

    pub(crate) async fn fetch_all<T>(self, query: Query<'_, T>) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        match self {
            Self::Pool(pool) => query.fetch_all(&pool).await,
            Self::Connection(connection) => query.fetch_all(connection).await,
        }
    }
}
