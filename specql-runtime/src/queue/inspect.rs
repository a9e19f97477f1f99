//! What operators ask and do: list jobs, look at one, retry it, cancel it; hold jobs back and let them go.

use sqlx::{FromRow, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// A job in a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobLine {
    /// Its public id.
    pub id: Uuid,
    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// The service.
    pub service_name: String,
    /// Its operation.
    pub operation: String,
    /// Attempts made.
    pub attempts: i32,
    /// Attempts that it has in all.
    pub max_attempts: Option<i32>,
    /// When it was queued, as PostgreSQL prints it.
    pub created_at: String,
    /// Why it failed, or fails so far.
    pub error_message: Option<String>,
    /// Why it has not ended, where it does not run: `pause`, `worker`, `breaker`, `limit`, `schedule`, `callback`, …
    pub waits_for: Option<String>,
}

/// An event in a job's history.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobEvent {
    /// When, as PostgreSQL prints it.
    pub at: String,
    /// `claimed`, `refused`, `finished`, `retried`, …
    pub event: String,
    /// The attempt.
    pub attempt: i32,
    /// How it ended.
    pub failure_class: Option<String>,
    /// For people.
    pub message: Option<String>,
}

impl FromRow<'_, PgRow> for JobLine {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            status: row.try_get("status")?,
            service_name: row.try_get("service_name")?,
            operation: row.try_get("operation")?,
            attempts: row.try_get("attempts")?,
            max_attempts: row.try_get("max_attempts")?,
            created_at: row.try_get("created_at")?,
            error_message: row.try_get("error_message")?,
            waits_for: row.try_get("waits_for")?,
        })
    }
}

impl FromRow<'_, PgRow> for JobEvent {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            at: row.try_get("at")?,
            event: row.try_get("event")?,
            attempt: row.try_get("attempt")?,
            failure_class: row.try_get("failure_class")?,
            message: row.try_get("message")?,
        })
    }
}

/// The latest jobs, newest first; all of them, or those of one status.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(pool: &PgPool, status: Option<&str>, limit: i64) -> Result<Vec<JobLine>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, status, service_name, operation, attempts, max_attempts, created_at::text AS created_at, error_message,
            waits_for
         FROM jobs.v_job_run
         WHERE $1::text IS NULL OR status = $1
         ORDER BY pk_job_run DESC
         LIMIT $2",
    )
    .bind(status)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// By its key a job is looked for in one range, and not in all.
async fn key(pool: &PgPool, id: Uuid) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT jobs.own_job($1)").bind(id).fetch_one(pool).await
}

/// The columns of `jobs.v_job_run` of one job that are not null, by name, each as text. `None`: there is no such job.
///
/// # Errors
/// When the database cannot be asked.
pub async fn show(pool: &PgPool, id: Uuid) -> Result<Option<Vec<(String, String)>>, sqlx::Error> {
    let Some(key) = key(pool, id).await? else { return Ok(None) };
    // As text, which can be shown whatever is in it.
    let sql = r#"SELECT c.key, c.value FROM jobs.v_job_run AS j CROSS JOIN LATERAL pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(j)) AS c
                 WHERE j.pk_job_run = $1 AND c.value IS NOT NULL ORDER BY c.key COLLATE "C""#;
    let columns: Vec<(String, String)> = sqlx::query_as(sql).bind(key).fetch_all(pool).await?;
    Ok((!columns.is_empty()).then_some(columns))
}

/// What happened to a job, in order.
///
/// # Errors
/// When the database cannot be asked.
pub async fn history(pool: &PgPool, id: Uuid) -> Result<Vec<JobEvent>, sqlx::Error> {
    let Some(key) = key(pool, id).await? else { return Ok(Vec::new()) };
    sqlx::query_as(
        "SELECT a.at::text AS at, a.event, a.attempt, a.failure_class, a.message
         FROM jobs.v_job_attempt AS a
         WHERE a.pk_job_run = $1
         ORDER BY a.at, a.epoch",
    )
    .bind(key)
    .fetch_all(pool)
    .await
}

/// Queues a finished job again: the same job, with the same idempotency key.
///
/// # Errors
/// When it is not finished, or another job has taken its key; or the database cannot be asked.
pub async fn retry(pool: &PgPool, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT jobs.retry($1)").bind(id).execute(pool).await?;
    Ok(())
}

/// Which failed jobs are meant: those of which everything that is given holds.
#[derive(Clone, Debug, Default)]
pub struct Failed {
    /// Of this service.
    pub service: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// That failed so: `ambiguous`, `timeout`, …
    pub class: Option<String>,
    /// Of this tenant.
    pub tenant: Option<Uuid>,
    /// That failed at this time or later, as PostgreSQL reads it: `2026-01-31 12:00`, `yesterday`.
    pub since: Option<String>,
    /// That failed before this time.
    pub until: Option<String>,
}

/// What became of failed jobs that were to be queued again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retried {
    /// Queued again.
    pub retried: u64,
    /// Left as they are, because another job has taken their key since.
    pub refused: u64,
}

/// Jobs of one transaction of [`retry_many`].
const BATCH: u64 = 1_000;

/// Queues failed jobs again, the oldest first, at most so many: the same jobs, each with its idempotency key. In batches,
/// each a transaction of its own: what is queued stays queued when a later one fails.
///
/// # Errors
/// When the database cannot be asked, or cannot read a time.
pub async fn retry_many(pool: &PgPool, failed: &Failed, limit: Option<u64>) -> Result<Retried, sqlx::Error> {
    let mut sum = Retried::default();
    let mut after: Option<Uuid> = None;
    loop {
        let left = limit.map_or(BATCH, |limit| limit.saturating_sub(sum.retried + sum.refused).min(BATCH));
        if left == 0 {
            return Ok(sum);
        }
        let (retried, refused, last): (i32, i32, Option<Uuid>) = sqlx::query_as(
            "SELECT retried, refused, last_id
             FROM jobs.retry_many($1, $2, $3, $4, $5::text::timestamptz, $6::text::timestamptz, $7, $8)",
        )
        .bind(failed.service.as_deref())
        .bind(failed.operation.as_deref())
        .bind(failed.class.as_deref())
        .bind(failed.tenant)
        .bind(failed.since.as_deref())
        .bind(failed.until.as_deref())
        .bind(i32::try_from(left).unwrap_or(i32::MAX))
        .bind(after)
        .fetch_one(pool)
        .await?;
        sum.retried += u64::from(retried.unsigned_abs());
        sum.refused += u64::from(refused.unsigned_abs());
        match last {
            Some(last) => after = Some(last),
            None => return Ok(sum),
        }
    }
}

/// Cancels a job: `cancelled`, `cancelling` (it runs, and its worker was told), `finished` or `unknown`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn cancel(pool: &PgPool, id: Uuid) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(pool).await
}

/// Which jobs a pause holds back: those of which everything that is given holds.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Of this service.
    pub service: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Of this execution type: `http`, `shell`, …
    pub execution_type: Option<String>,
    /// Of this tenant.
    pub tenant: Option<Uuid>,
}

/// Holds jobs back. False: they are already, by a pause of the same words.
///
/// # Errors
/// When there is no such operation, or the database cannot be asked.
pub async fn pause(pool: &PgPool, held: &Held, reason: Option<&str>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT jobs.pause($1, $2, $3, $4, $5)")
        .bind(held.service.as_deref())
        .bind(held.operation.as_deref())
        .bind(held.execution_type.as_deref())
        .bind(held.tenant)
        .bind(reason)
        .fetch_one(pool)
        .await
}

/// Ends the pause of the same words. False: there is none.
///
/// # Errors
/// When the database cannot be asked.
pub async fn resume(pool: &PgPool, held: &Held) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT jobs.resume($1, $2, $3, $4)")
        .bind(held.service.as_deref())
        .bind(held.operation.as_deref())
        .bind(held.execution_type.as_deref())
        .bind(held.tenant)
        .fetch_one(pool)
        .await
}

/// Closes the circuit breaker of an operation, or those of a service. Answers how many were open.
///
/// # Errors
/// When there is no such operation, or the database cannot be asked.
pub async fn close_breakers(pool: &PgPool, service: &str, operation: Option<&str>) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT jobs.reset_breaker($1, $2)").bind(service).bind(operation).fetch_one(pool).await
}
