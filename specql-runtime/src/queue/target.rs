//! Where a client's statement goes.

use sqlx::{FromRow, PgConnection, PgPool, Postgres, postgres::PgArguments, postgres::PgRow, query::QueryAs};

/// Clients of a pooler have got each other's prepared statements, or lost their own.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}: a connection pooler between this process and PostgreSQL mixes up the prepared statements of its clients; PgBouncer keeps \
     track of them from version 1.21 on, with `max_prepared_statements`, and with `pool_mode = session` it need not"
)]
struct MixedUp(sqlx::Error);

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
        let fetched = match self {
            Self::Pool(pool) => query.fetch_one(&pool).await,
            Self::Connection(connection) => query.fetch_one(connection).await,
        };
        fetched.map_err(explained)
    }

    pub(crate) async fn fetch_all<T>(self, query: Query<'_, T>) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let fetched = match self {
            Self::Pool(pool) => query.fetch_all(&pool).await,
            Self::Connection(connection) => query.fetch_all(connection).await,
        };
        fetched.map_err(explained)
    }
}

/// The same error, with its cause where that is known: 42P05 is a prepared statement that is there already, 26000 one that is not.
pub(super) fn explained(error: sqlx::Error) -> sqlx::Error {
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some("42P05" | "26000") => sqlx::Error::Configuration(Box::new(MixedUp(error))),
        _ => error,
    }
}
