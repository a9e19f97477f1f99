//! The role and the database of an application in its own server.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

/// The role that applications connect as: owner of its database, no superuser (row level security binds it).
pub(super) const OWNER: &str = "specql";

/// The database of an application: its name with `_` for whatever an identifier does not allow.
pub(super) fn database_name(app: &str) -> String {
    app.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// Makes the role and the database where they are missing.
pub(super) async fn bootstrap(superuser: &PgConnectOptions, database: &str) -> Result<(), sqlx::Error> {
    let mut connection = superuser.clone().database("postgres").connect().await?;
    if !exists(&mut connection, "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1)", OWNER).await? {
        // CREATEROLE for the queue's roles, CREATEDB for test databases.
        sqlx::raw_sql("CREATE ROLE specql LOGIN CREATEDB CREATEROLE").execute(&mut connection).await?;
    }
    if !exists(&mut connection, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", database)
        .await?
    {
        // `database_name` leaves letters, digits and underscores only.
        let create = format!("CREATE DATABASE \"{database}\" OWNER {OWNER}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await?;
    }
    connection.close().await
}

async fn exists(connection: &mut PgConnection, query: &'static str, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(query).bind(name).fetch_one(connection).await
}
