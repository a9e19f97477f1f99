//! What these tests share.

use specql_runtime::Database;
use specql_tests::{pooler::Version, work::PROJECT};
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgPoolOptions};

/// Each test is about both: what they have in common is no matter of a version.
pub(crate) const VERSIONS: [Version; 2] = [Version::Older, Version::Newer];

/// The project's database behind a URL.
pub(crate) async fn database(url: &str) -> Database {
    Database::from_pool(pool(url, 4).await, &PROJECT)
}

pub(crate) async fn pool(url: &str, connections: u32) -> PgPool {
    PgPoolOptions::new().max_connections(connections).connect(url).await.unwrap()
}

pub(crate) async fn connection(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// A number, asked of the database itself.
pub(crate) async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// Advisory locks that anybody holds on this database.
pub(crate) const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
