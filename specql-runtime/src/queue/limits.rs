//! What holds calls back: shares of limits, circuit breakers, fallbacks.

use chrono::{DateTime, Utc};
use sqlx::{query, query_as};
use uuid::Uuid;

use super::{Link, QueueError};

/// What became of a wish to carry a job out by its fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The fallback may be called, and no other service from now on.
    Yes,
    /// The fallback's own limit leaves no room now.
    NoRoom,
    /// The lease is lost, or another service may have had its effect.
    No,
}

impl Link {
    /// Gives back what a worker does not need of its shares: of each limit it keeps so many slots, and those in use.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn trim_shares(&mut self, worker: Uuid, limits: &[i32], keep: &[i32]) -> Result<i32, QueueError> {
        let query = query_as("SELECT jobs.trim_shares($1, $2, $3)").bind(worker).bind(limits).bind(keep);
        self.value("jobs.trim_shares", query).await
    }

    /// Opens an operation's breaker. Answers for how long it is open, by the database's clock.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn open_breaker(
        &mut self,
        worker: Uuid,
        operation: i32,
        open_for_ms: u64,
        longest_ms: u64,
        reason: &str,
    ) -> Result<chrono::Duration, QueueError> {
        let millis = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let query = query_as("SELECT jobs.open_breaker($1, $2, $3, $4, $5), pg_catalog.clock_timestamp()")
            .bind(worker)
            .bind(operation)
            .bind(millis(open_for_ms))
            .bind(millis(longest_ms))
            .bind(reason);
        let rows: Vec<(DateTime<Utc>, DateTime<Utc>)> = self.rows("jobs.open_breaker", query).await?;
        Ok(rows.into_iter().next().map_or(chrono::Duration::zero(), |(until, now)| until - now))
    }

    /// Closes the breaker that this worker's probe found to be needless.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn close_breaker(&mut self, worker: Uuid, operation: i32) -> Result<bool, QueueError> {
        let query = query_as("SELECT jobs.close_breaker($1, $2)").bind(worker).bind(operation);
        self.value("jobs.close_breaker", query).await
    }

    /// Says that the probe made no call.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn abandon_probe(&mut self, worker: Uuid, operation: i32) -> Result<(), QueueError> {
        let query = query("SELECT jobs.abandon_probe($1, $2)").bind(worker).bind(operation);
        self.execute("jobs.abandon_probe", query).await
    }

    /// Notes that a job is about to be carried out by the given operation of a fallback.
    ///
    /// # Errors
    /// [`QueueError`]; the fallback must not be called then.
    pub async fn bind(&mut self, worker: Uuid, pk: i64, epoch: i32, operation: i32) -> Result<Bound, QueueError> {
        let query = query_as("SELECT jobs.bind($1, $2, $3, $4)").bind(worker).bind(pk).bind(epoch).bind(operation);
        let answer: String = self.value("jobs.bind", query).await?;
        Ok(match answer.as_str() {
            "bound" => Bound::Yes,
            "no_room" => Bound::NoRoom,
            _ => Bound::No,
        })
    }
}
