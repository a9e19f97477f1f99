//! What operators ask and do: list jobs, look at one, retry it, cancel it.

use serde_json::Value;
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
        "SELECT id, status, service_name, operation, attempts, max_attempts, created_at::text AS created_at, error_message
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

/// All columns of `jobs.v_job_run` of one job, as JSON. `None`: there is no such job.
///
/// # Errors
/// When the database cannot be asked.
pub async fn show(pool: &PgPool, id: Uuid) -> Result<Option<Value>, sqlx::Error> {
    sqlx::query_scalar("SELECT to_jsonb(j) FROM jobs.v_job_run AS j WHERE j.id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await
}

/// What happened to a job, in order.
///
/// # Errors
/// When the database cannot be asked.
pub async fn history(pool: &PgPool, id: Uuid) -> Result<Vec<JobEvent>, sqlx::Error> {
    sqlx::query_as(
        "SELECT a.at::text AS at, a.event, a.attempt, a.failure_class, a.message
         FROM jobs.tb_job_run AS j
         JOIN jobs.tb_job_attempt AS a ON a.pk_job_run = j.pk_job_run
         WHERE j.id = $1
         ORDER BY a.at, a.epoch",
    )
    .bind(id)
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

/// Cancels a job: `cancelled`, `cancelling` (it runs, and its worker was told), `finished` or `unknown`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn cancel(pool: &PgPool, id: Uuid) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(pool).await
}
