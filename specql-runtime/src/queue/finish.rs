//! Complete and fail: the end of an attempt.

use serde_json::Value;
use specql_registry::Json;
use sqlx::{FromRow, Row, postgres::PgRow, query_as, types::Json as Bound};
use uuid::Uuid;

use super::{Link, QueueError};

/// What became of one job of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The job.
    pub pk: i64,
    /// `completed`, `retrying`, `failed`, `cancelled`, `callback_waiting`, `fenced` (the lease was another's by then), or
    /// [`BUSY`].
    pub result: String,
    /// What its callback raised.
    pub sqlstate: Option<String>,
}

impl FromRow<'_, PgRow> for Written {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { pk: row.try_get(0)?, result: row.try_get(1)?, sqlstate: row.try_get(2)? })
    }
}

/// The SQLSTATE of a job's callback, which the transaction keeps for whoever asks in the same statement.
macro_rules! raised {
    () => {
        "CASE WHEN result IN ('callback_waiting', 'failed') THEN
            nullif(pg_catalog.current_setting('specql.raised_callbacks', true), '')::jsonb ->> pk_job_run::text END"
    };
}

/// Nothing was written about a job, for another transaction has its lease locked: it is to be said again.
pub const BUSY: &str = "busy";

/// Jobs whose call succeeded, column by column.
#[derive(Debug, Default)]
#[allow(missing_docs)] // the columns of `jobs.complete`
pub struct Completions {
    pub pks: Vec<i64>,
    pub epochs: Vec<i32>,
    pub outputs: Vec<Json>,
    pub usages: Vec<Option<Value>>,
}

/// Attempts that failed, column by column.
#[derive(Debug, Default)]
#[allow(missing_docs)] // the columns of `jobs.fail`
pub struct Failures {
    pub pks: Vec<i64>,
    pub epochs: Vec<i32>,
    pub classes: Vec<&'static str>,
    pub messages: Vec<String>,
    /// Milliseconds until the next attempt; `None`: there is none.
    pub retry_in_ms: Vec<Option<i64>>,
    /// Whether the attempt is used up.
    pub counted: Vec<bool>,
    pub usages: Vec<Value>,
    /// Whether it is certain that nothing happened.
    pub no_effect: Vec<bool>,
}

impl Link {
    /// Records successes and runs their callbacks, in one transaction. Answers those that are not `completed` now: nearly all are.
    ///
    /// # Errors
    /// [`QueueError`]; nothing of the batch is written then, unless the outcome is unknown.
    pub async fn complete(&mut self, worker: Uuid, batch: &Completions) -> Result<Vec<Written>, QueueError> {
        let sql = concat!(
            "SELECT pk_job_run, result, ",
            raised!(),
            " FROM jobs.complete($1, $2, $3, $4, $5, true) WHERE result <> 'completed'"
        );
        let query = query_as(sql)
            .bind(worker)
            .bind(&batch.pks)
            .bind(&batch.epochs)
            .bind(batch.outputs.iter().map(Bound).collect::<Vec<_>>())
            .bind(&batch.usages);
        self.rows("jobs.complete", query).await
    }

    /// Records failures: each is queued again, or ends its job and runs its callback.
    ///
    /// # Errors
    /// [`QueueError`]; nothing of the batch is written then, unless the outcome is unknown.
    pub async fn fail(&mut self, worker: Uuid, batch: &Failures) -> Result<Vec<Written>, QueueError> {
        let sql = concat!(
            "SELECT pk_job_run, result, ",
            raised!(),
            " FROM jobs.fail($1, $2, $3, $4, $5, $6, $7, $8, true, $9)"
        );
        let query = query_as(sql)
            .bind(worker)
            .bind(&batch.pks)
            .bind(&batch.epochs)
            .bind(&batch.classes)
            .bind(&batch.messages)
            .bind(&batch.retry_in_ms)
            .bind(&batch.counted)
            .bind(&batch.usages)
            .bind(&batch.no_effect);
        self.rows("jobs.fail", query).await
    }
}
