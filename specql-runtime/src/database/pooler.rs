//! Poolers that give a connection another session for each transaction.
//!
//! Such a pooler does not say that it is one, and each make and version has other ways to be asked. So it is measured: a few
//! connections take turns in asking for the process of their session. Where sessions are their own, all processes differ and none
//! changes.
//!
//! One connection would not do, for an idle pool gives it the same session again and again. Nor would two: they may be with two
//! processes of the pooler, of which each has sessions of its own. Each asks twice in a row, for a pool that goes through its
//! sessions in turns may otherwise come round to the same one.

use std::{collections::HashSet, time::Duration};

use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::queue::QueueError;

/// Connections beside the first: so that two are with the same process of the pooler where it has no more than four.
const OTHERS: usize = 4;
/// How often they all take their turns.
const ROUNDS: usize = 2;
/// How long the others are waited for. Where they get no session because the first one keeps the last that there is, they never come.
const OTHERS_WITHIN: Duration = Duration::from_secs(3);

/// A pooler stands before the database that gives a connection another session for each transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a connection pooler between this process and PostgreSQL gives it another session for each transaction, as PgBouncer does \
     with `pool_mode = transaction`, and {what}: connect it to PostgreSQL directly, or through a pool with `pool_mode = session`"
)]
pub struct PooledByTransaction {
    /// What is kept in a session.
    what: &'static str,
}

impl PooledByTransaction {
    /// For a migration.
    pub(super) const MIGRATION: Self = Self { what: "a migration has its lock and its settings in one session" };
    /// For a worker.
    pub(crate) const WORKER: Self =
        Self { what: "a worker has its place in the queue, its limits and its LISTEN in its sessions" };
}

/// Whether connections of these options keep their sessions between transactions.
///
/// # Errors
/// When there is no first connection, or the answers take longer than the limit.
pub(crate) async fn is_kept(options: &PgConnectOptions, limit: Duration) -> Result<bool, QueueError> {
    const CALL: &str = "pg_backend_pid";
    let asked = async {
        let options = checking(options);
        let mut first = options.connect().await.map_err(|source| QueueError::Connect { call: CALL, source })?;
        let kept = is_kept_by(&mut first, &options).await;
        close(first).await;
        kept.map_err(|source| QueueError::Call { call: CALL, source })
    };
    timeout(limit, asked).await.unwrap_or(Err(QueueError::Timeout { call: CALL, limit }))
}

/// Whether this connection keeps its session between transactions, as far as others of the same options can tell.
///
/// # Errors
/// When it does not answer.
pub(super) async fn is_kept_by(first: &mut PgConnection, options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let own = session(first).await?;
    let mut opening = JoinSet::new();
    for _ in 0..OTHERS {
        let options = checking(options);
        opening.spawn(async move {
            let mut other = options.connect().await?;
            let session = session(&mut other).await?;
            Ok::<_, sqlx::Error>((other, session))
        });
    }
    let mut others = Vec::new();
    let deadline = Instant::now() + OTHERS_WITHIN;
    while let Ok(Some(opened)) = timeout_at(deadline, opening.join_next()).await {
        match opened {
            Ok(Ok(other)) => others.push(other),
            // The server has no more room, say. What the others show is enough.
            Ok(Err(error)) => tracing::debug!(%error, "one connection less to look for a pooler"),
            Err(error) => tracing::debug!(%error, "one connection less to look for a pooler"),
        }
    }
    // Those that still wait for a session go on waiting: from a pool of transactions they would get the next before the first one does.
    let kept = take_turns((first, own), &mut others).await;
    for (other, _) in others {
        close(other).await;
    }
    kept
}

async fn take_turns(
    (first, own): (&mut PgConnection, i32),
    others: &mut [(PgConnection, i32)],
) -> Result<bool, sqlx::Error> {
    let mut sessions = HashSet::from([own]);
    if !others.iter().all(|(_, session)| sessions.insert(*session)) {
        return Ok(false);
    }
    for _ in 0..ROUNDS {
        let first = (&mut *first, own);
        for (connection, known) in std::iter::once(first).chain(others.iter_mut().map(|(other, known)| (other, *known)))
        {
            if session(connection).await? != known || session(connection).await? != known {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The process of a connection's session. Not by a prepared statement, which another session would not know. It sets something that
/// nobody reads: there are poolers that leave a session to who has set something in it, and they are no hindrance.
async fn session(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let asked = "SELECT pg_catalog.pg_backend_pid() FROM pg_catalog.set_config('specql.session', '', false)";
    sqlx::raw_sql(asked).fetch_one(connection).await?.try_get(0)
}

fn checking(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().application_name("specql check")
}

async fn close(connection: PgConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection was gone before it was closed");
    }
}
