//! Waiting for locks that others hold, without making everybody wait.
//!
//! An `ALTER TABLE` that waits behind a long transaction holds up all who come after it, readers too. So it waits for a moment only,
//! is undone, lets the others pass, and is tried again.

use std::{borrow::Cow, time::Duration};

use sqlx::{migrate::MigrateError as SqlxError, postgres::PgDatabaseError};
use tokio::time::{Instant, sleep};

use super::{MigrateError, Migrator, blockers::Waiting, session::set_lock_timeout};
use crate::worker::jittered;

/// How [`Database::migrate_with`](crate::Database::migrate_with) waits for locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockPatience {
    /// How long one statement waits for a lock, and so how long everybody else who wants that table may wait behind it. 1.5 s:
    /// after its `deadlock_timeout`, 1 s where nobody has changed it, PostgreSQL makes an autovacuum step aside for whoever still
    /// waits; a shorter one would never get a table that is being vacuumed.
    pub lock_timeout: Duration,
    /// For how long it is tried again, with pauses twice as long as a try. 60 s: what holds a table for longer is no request but a
    /// report, a dump or a forgotten session, which somebody must look at.
    pub give_up_after: Duration,
    /// How long one wait of `CREATE INDEX CONCURRENTLY` may take. 10 min: nobody queues behind it, but it waits for every
    /// transaction that is older than itself.
    pub concurrently: Duration,
    /// How long another process that migrates is waited for. 30 min: it may be at an index or at the rows of a large table. One whose
    /// session has been idle for `give_up_after` is not at work, and is waited for no longer than that.
    pub other_migrations: Duration,
}

impl Default for LockPatience {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(1_500),
            give_up_after: Duration::from_secs(60),
            concurrently: Duration::from_secs(600),
            other_migrations: Duration::from_secs(1_800),
        }
    }
}

/// What needs locks that others may hold. All or nothing of it happens.
pub(super) trait Work {
    async fn once(&self, connection: &mut sqlx::PgConnection) -> Result<(), SqlxError>;
}

/// Why it was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The locks were not to be had.
    Blocked { waiting: Waiting, waited: Duration },
    /// PostgreSQL refused it.
    Failed(SqlxError),
}

/// Does `work`, again and again while locks are missing.
pub(super) async fn patiently(migrator: &mut Migrator, work: &impl Work) -> Result<(), Refusal> {
    let LockPatience { lock_timeout, give_up_after, .. } = migrator.patience;
    let mut waited = Duration::ZERO;
    migrator.watch.begin();
    loop {
        set_lock_timeout(&mut migrator.connection, lock_timeout)
            .await
            .map_err(|error| Refusal::Failed(error.into()))?;
        // Seen while it waits: afterwards nobody is in its way.
        let done = migrator.watch.over(lock_timeout.mul_f64(0.6), work.once(&mut migrator.connection)).await;
        match done {
            Err(error) if is_blocked(&error) => {
                let pause = jittered(lock_timeout * 2);
                waited += lock_timeout + pause;
                if waited >= give_up_after {
                    return Err(Refusal::Blocked { waiting: migrator.watch.seen.take().unwrap_or_default(), waited });
                }
                tracing::info!(?pause, "a migration found its table locked; others first, then again");
                sleep(pause).await;
            }
            done => return done.map_err(Refusal::Failed),
        }
    }
}

/// Does `work` once, which nobody queues behind.
pub(super) async fn in_peace(migrator: &mut Migrator, work: &impl Work) -> Result<(), Refusal> {
    let begun = Instant::now();
    migrator.watch.begin();
    let timeout = migrator.patience.concurrently;
    set_lock_timeout(&mut migrator.connection, timeout).await.map_err(|error| Refusal::Failed(error.into()))?;
    let done = migrator.watch.over(timeout.mul_f64(0.6), work.once(&mut migrator.connection)).await;
    done.map_err(|error| {
        if !is_blocked(&error) {
            return Refusal::Failed(error);
        }
        Refusal::Blocked { waiting: migrator.watch.seen.take().unwrap_or_default(), waited: begun.elapsed() }
    })
}

impl Refusal {
    /// As a migration's error. Whether all of it `was_undone`, or batches of it stay.
    pub(super) fn of(self, version: i64, description: &str, was_undone: bool) -> MigrateError {
        let description = description.to_owned();
        match self {
            Self::Blocked { waiting: Waiting { lock, blockers, .. }, waited } => {
                MigrateError::Blocked { version, description, lock, blockers, waited, was_undone }
            }
            Self::Failed(cause) if is_cut_off(&cause) => MigrateError::CutOff { version, description, cause },
            Self::Failed(cause) => match rows_in_the_way(&cause) {
                Some((message, hint)) => MigrateError::RowsInTheWay { version, description, message, hint },
                None if was_undone => MigrateError::Failed { version, description, cause },
                None => MigrateError::Stopped { version, description, cause },
            },
        }
    }
}

/// Whether a lock was missing: not to be had in time, or only by a deadlock.
fn is_blocked(error: &SqlxError) -> bool {
    code_of(error).is_some_and(|code| code == "55P03" || code == "40P01")
}

/// Whether the session or the server ended in the middle: what had become of it by then is not known here.
fn is_cut_off(error: &SqlxError) -> bool {
    match cause_of(error) {
        Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => true,
        _ => code_of(error).is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
    }
}

/// What a step's check of the rows has found, and the way out. No constraint of a table has a hint.
fn rows_in_the_way(error: &SqlxError) -> Option<(String, String)> {
    let found = cause_of(error)?.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    (found.code() == "23514").then(|| Some((found.message().to_owned(), found.hint()?.to_owned())))?
}

pub(super) fn cause_of(error: &SqlxError) -> Option<&sqlx::Error> {
    match error {
        SqlxError::Execute(error) | SqlxError::ExecuteMigration(error, _) => Some(error),
        _ => None,
    }
}

fn code_of(error: &SqlxError) -> Option<Cow<'_, str>> {
    cause_of(error)?.as_database_error()?.code()
}
