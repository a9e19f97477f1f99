//! Claim, heartbeat and release: a job's lease.

use futures_util::TryStreamExt;
use sqlx::{Row, postgres::PgRow, query, query_as, query_scalar};
use uuid::Uuid;

use super::{Link, QueueError};

/// A job that this worker may run, as the row has it. What runs is decided by the worker's own registry.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// Key of the job's rows.
    pub pk: i64,
    /// Rises with every claim; every write about the job compares it.
    pub epoch: i32,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The job's id.
    pub id: Uuid,
    /// The operation, by the database's code for it.
    pub operation_code: i32,
    /// The input as it was queued.
    pub input: Input,
    /// The tenant in whose name it was queued.
    pub tenant_id: Option<Uuid>,
    /// Groups jobs for people.
    pub correlation_id: Option<String>,
    /// Attempts in all.
    pub max_attempts: u32,
    /// Seconds before the attempt is given up.
    pub timeout_seconds: u32,
    /// What the policy was when it was queued.
    pub policy_hash: Option<String>,
    /// The fallback's operation that an earlier attempt may have carried out: no other may be called.
    pub bound_code: Option<i32>,
    /// An earlier attempt may have had its effect.
    pub effect_possible: bool,
    /// How the operation's circuit breaker stands.
    pub breaker: BreakerState,
    /// How often in a row it was tried without using an attempt up.
    pub put_off: u32,
}

/// A job's input, as it came with a claim. It is read when the job runs: one that cannot be is the matter of that job alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// JSON text, in which numbers have all their digits.
    Text(Box<str>),
    /// It was not taken along: the claim's inputs are too large together. The job is to be given back.
    Left,
    /// The row is not what this version of the worker understands.
    Unreadable(String),
}

impl Input {
    /// How many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Left | Self::Unreadable(_) => 0,
        }
    }
}

/// How an operation's circuit breaker stood at a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Closed, or there is none.
    Closed,
    /// Open: the operation itself must not be called, its fallback may.
    Open,
    /// This job is the one that finds out whether the service works again.
    Probe,
}

/// What a claim got.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The jobs, the most urgent first.
    pub jobs: Vec<ClaimedJob>,
    /// It looked at a part of the lanes only: there may be jobs in the others.
    pub partial: bool,
}

/// What a worker asks for with a claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The operations that it serves.
    pub operations: &'a [i32],
    /// The most jobs that it can take.
    pub limit: usize,
    /// From the head of the index.
    pub full_scan: bool,
    /// Its limits, and how many jobs of each it has; `None`: the database counts.
    pub running: Option<(&'a [i32], &'a [i32])>,
}

impl ClaimedJob {
    /// A job of a claim's row. What cannot be read spoils this job and no other.
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let mut job = Self {
            pk: row.try_get(0)?,
            epoch: row.try_get(1)?,
            attempt: 0,
            id: row.try_get(3)?,
            operation_code: row.try_get(4)?,
            input: Input::Left,
            tenant_id: None,
            correlation_id: None,
            max_attempts: 0,
            timeout_seconds: 0,
            policy_hash: None,
            bound_code: None,
            effect_possible: false,
            breaker: BreakerState::Closed,
            put_off: 0,
        };
        if let Err(error) = job.read_rest(row) {
            job.input = Input::Unreadable(error.to_string());
        }
        Ok(job)
    }

    fn read_rest(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        let natural = |value: i32| u32::try_from(value).unwrap_or(0);
        self.attempt = natural(row.try_get(2)?);
        self.input = Input::Text(row.try_get(5)?);
        self.tenant_id = row.try_get(6)?;
        self.correlation_id = row.try_get(7)?;
        self.max_attempts = natural(row.try_get(8)?);
        self.timeout_seconds = natural(row.try_get(9)?);
        self.policy_hash = row.try_get(10)?;
        self.bound_code = Some(row.try_get(11)?).filter(|code: &i32| *code != 0);
        self.effect_possible = row.try_get(12)?;
        self.breaker = match row.try_get::<Option<&str>, _>(13)? {
            None => BreakerState::Closed,
            Some("probe") => BreakerState::Probe,
            Some(_) => BreakerState::Open,
        };
        self.put_off = natural(row.try_get(14)?);
        Ok(())
    }
}

impl Link {
    /// Takes due jobs.
    ///
    /// # Errors
    /// [`QueueError`]; after an unknown outcome the leases, if made, are this worker's all the same.
    pub async fn claim(&mut self, worker: Uuid, claim: Claim<'_>) -> Result<Claimed, QueueError> {
        self.claim_within(worker, claim, usize::MAX).await
    }

    /// The same, with inputs of no more than so many bytes together, but always the first: what comes after that is
    /// [`Input::Left`], and was never all in memory.
    ///
    /// # Errors
    /// As [`Link::claim`].
    pub async fn claim_within(&mut self, worker: Uuid, claim: Claim<'_>, bytes: usize) -> Result<Claimed, QueueError> {
        let (limits, running) = claim.running.unzip();
        // The input as text: PostgreSQL writes jsonb as text in any case, and here it is read later.
        let query = query(
            "SELECT c.pk_job_run, c.epoch, c.attempt, c.id, c.operation_code, c.input_data::text, c.tenant_id, \
             c.correlation_id, c.max_attempts, c.timeout_seconds, c.policy_hash, c.bound_code, c.effect_possible, \
             c.breaker, c.put_off, pg_catalog.current_setting('specql.claim_partial', true) IS NOT DISTINCT FROM 'true' \
             FROM jobs.claim($1, $2, $3, $4, $5, $6) AS c",
        )
        .bind(worker)
        .bind(claim.operations)
        .bind(i32::try_from(claim.limit).unwrap_or(i32::MAX))
        .bind(claim.full_scan)
        .bind(limits)
        .bind(running);
        self.within_limit("jobs.claim", async |connection| {
            let mut claimed = Claimed::default();
            let mut left = bytes;
            let mut rows = query.fetch(&mut *connection);
            while let Some(row) = rows.try_next().await? {
                claimed.partial = row.try_get(15)?;
                let mut job = ClaimedJob::read(&row)?;
                let size = job.input.size();
                if size > left && !claimed.jobs.is_empty() {
                    job.input = Input::Left;
                } else {
                    left = left.saturating_sub(size);
                }
                claimed.jobs.push(job);
            }
            drop(rows);
            if claimed.jobs.is_empty() {
                // There was no row to say so.
                let partial =
                    "SELECT pg_catalog.current_setting('specql.claim_partial', true) IS NOT DISTINCT FROM 'true'";
                claimed.partial = query_scalar(partial).fetch_one(connection).await?;
            }
            Ok(claimed)
        })
        .await
    }

    /// Renews this worker's leases. Answers those that it still holds, and whether each is to be cancelled.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn heartbeat(
        &mut self,
        worker: Uuid,
        pks: &[i64],
        epochs: &[i32],
    ) -> Result<Vec<(i64, bool)>, QueueError> {
        let query = query_as("SELECT pk_job_run, cancel_requested FROM jobs.heartbeat($1, $2, $3)")
            .bind(worker)
            .bind(pks)
            .bind(epochs);
        self.rows("jobs.heartbeat", query).await
    }

    /// Gives jobs back that were not started. No attempt is counted. Answers how many; the others are lost, or locked by
    /// another transaction: those a heartbeat names, and they are to be released again.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn release(&mut self, worker: Uuid, pks: &[i64], epochs: &[i32]) -> Result<i32, QueueError> {
        let query = query_as("SELECT jobs.release($1, $2, $3, true)").bind(worker).bind(pks).bind(epochs);
        self.value("jobs.release", query).await
    }

    /// The leases that this worker has and does not name: those of claims whose answer was lost. Every claim of which it has
    /// heard is to be named until its end is written, and no claim may be under way.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn unheard_leases(
        &mut self,
        worker: Uuid,
        pks: &[i64],
        epochs: &[i32],
    ) -> Result<Vec<(i64, i32)>, QueueError> {
        let query = query_as("SELECT pk_job_run, epoch FROM jobs.unheard_leases($1, $2, $3)")
            .bind(worker)
            .bind(pks)
            .bind(epochs);
        self.rows("jobs.unheard_leases", query).await
    }
}
