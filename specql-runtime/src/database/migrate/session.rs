//! The session that migrates.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};

use super::MigrateError;
use crate::database::pooler::{self, PooledByTransaction};

/// Opens it. It is not the pool's any more: its lock and its settings are the session's, and a migration that is cancelled must
/// not leave them on a connection that somebody else is given.
///
/// # Errors
/// When there is none to be had, or a pooler would give it another session for each transaction.
pub(super) async fn open(pool: &PgPool) -> Result<PgConnection, MigrateError> {
    let mut connection = pool.acquire().await?.detach();
    // Before anything is set or locked, which would stay on a session that somebody else is given.
    if !pooler::is_kept_by(&mut connection, &pool.connect_options()).await? {
        connection.close().await?;
        return Err(PooledByTransaction::MIGRATION.into());
    }
    sqlx::query(SETTINGS).execute(&mut connection).await?;
    sqlx::query(BUILT_IN_FIRST).execute(&mut connection).await?;
    // Where the server's system cannot tell that a client is gone, it refuses this setting.
    if let Err(error) = sqlx::query(NOTICE_THE_END).execute(&mut connection).await {
        tracing::debug!(%error, "the server notices the end of a killed migration only at its next answer");
    }
    Ok(connection)
}

/// How long a statement waits for a lock from now on. Zero: without end.
pub(super) async fn set_lock_timeout(connection: &mut PgConnection, timeout: Duration) -> Result<(), sqlx::Error> {
    let millis = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    sqlx::query("SELECT pg_catalog.set_config('lock_timeout', $1, false)")
        .bind(millis.to_string())
        .execute(connection)
        .await
        .map(|_| ())
}

/// A role's or a database's limits are made for its requests: a migration must not be cut off by them. So is an isolation under which
/// whoever fills rows beside others fails where they have changed one. What is older than a setting does not have it.
const SETTINGS: &str = "
    SELECT pg_catalog.set_config(w.name, w.value, false)
    FROM (VALUES ('statement_timeout', '0'), ('transaction_timeout', '0'), ('lock_timeout', '0'), ('idle_session_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'), ('default_transaction_isolation', 'read committed')) AS w(name, value)
    JOIN pg_catalog.pg_settings AS s ON s.name = w.name";

/// PostgreSQL's own functions and types are found first unless a `search_path` names `pg_catalog` behind other schemas: then a function
/// `now()` in one of these would become a column's default. Without the name it comes first again.
const BUILT_IN_FIRST: &str = "
    SELECT pg_catalog.set_config('search_path', pg_catalog.string_agg(pg_catalog.quote_ident(s.name), ', ' ORDER BY s.place), false)
    FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s(name, place)
    WHERE s.name <> 'pg_catalog' AND 'pg_catalog' = ANY ((pg_catalog.current_schemas(false))[2:])
    HAVING pg_catalog.count(*) > 0";

/// A session whose process was killed would go on with its statement, and hold its locks, until it has something to answer.
const NOTICE_THE_END: &str = "
    SELECT pg_catalog.set_config(s.name, '1s', false) FROM pg_catalog.pg_settings AS s
    WHERE s.name = 'client_connection_check_interval'";
