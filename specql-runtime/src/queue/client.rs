//! The statements of clients: an action, a job, many jobs, a job's outcome.

use serde::Serialize;
use sqlx::{
    AssertSqlSafe, FromRow, PgConnection, PgPool, Row,
    postgres::{PgDatabaseError, PgRow},
    types::Json,
};
use uuid::Uuid;

use super::{Target, target, unexpected::Unexpected};

/// SQLSTATE with which `jobs.enqueue` refuses an operation that this database does not know.
pub(crate) const UNKNOWN_OPERATION: &str = "SQ404";

/// SQLSTATE with which `jobs.enqueue` refuses another input under an idempotency key that is held.
pub(crate) const KEY_CONFLICT: &str = "SQ001";

/// What PostgreSQL says about an error besides its message.
pub(crate) fn detail(error: &sqlx::Error) -> String {
    let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    database.and_then(PgDatabaseError::detail).map_or_else(|| error.to_string(), str::to_owned)
}

/// `app.mutation_result`.
#[derive(Debug)]
pub(crate) struct MutationRow {
    pub(crate) id: Option<Uuid>,
    pub(crate) updated_fields: Option<Vec<String>>,
    pub(crate) status: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) object_data: Option<serde_json::Value>,
    pub(crate) extra_metadata: Option<serde_json::Value>,
    /// Said beside the answer, of an error that nobody foresaw.
    pub(crate) unexpected: Option<Unexpected>,
}

/// What every way of queueing may say besides the input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) unique: Option<&'static str>,
    pub(crate) tenant: Option<Uuid>,
    pub(crate) user: Option<Uuid>,
    pub(crate) priority: i32,
    pub(crate) run_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Counted from the database's clock, for the client's may be wrong.
    pub(crate) delay_seconds: Option<f64>,
}

/// What one job may say besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobOptions {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) timeout_seconds: Option<i32>,
    pub(crate) max_attempts: Option<i32>,
}

/// A queued job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub(crate) job_id: Uuid,
    pub(crate) deduplicated: bool,
}

/// Where a job stands.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) status: String,
    /// As text, in which numbers have all their digits.
    pub(crate) output_data: Option<String>,
    pub(crate) error_message: Option<String>,
    pub(crate) failure_class: Option<String>,
    pub(crate) attempts: i32,
}

impl FromRow<'_, PgRow> for MutationRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let status: Option<String> = row.try_get("status")?;
        let setting: Option<String> = row.try_get("unexpected_error")?;
        Ok(Self {
            id: row.try_get("id")?,
            updated_fields: row.try_get("updated_fields")?,
            unexpected: Unexpected::of(status.as_deref().unwrap_or_default(), setting.as_deref()),
            status,
            message: row.try_get("message")?,
            object_data: row.try_get("object_data")?,
            extra_metadata: row.try_get("extra_metadata")?,
        })
    }
}

impl FromRow<'_, PgRow> for Queued {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { job_id: row.try_get("job_id")?, deduplicated: row.try_get("deduplicated")? })
    }
}

impl FromRow<'_, PgRow> for Standing {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            status: row.try_get("status")?,
            output_data: row.try_get("output_data")?,
            error_message: row.try_get("error_message")?,
            failure_class: row.try_get("failure_class")?,
            attempts: row.try_get("attempts")?,
        })
    }
}

/// Calls `app.<wrapper>`.
pub(crate) async fn act(
    target: Target<'_>,
    wrapper: &str,
    tenant: Option<Uuid>,
    user: Option<Uuid>,
    input: &(impl Serialize + Sync),
) -> Result<MutationRow, sqlx::Error> {
    // The name comes from generated code, never from data; it is quoted all the same.
    let statement = format!(
        "SELECT id, updated_fields, status, message, object_data, extra_metadata,
            pg_catalog.current_setting('specql.unexpected_error', true) AS unexpected_error
         FROM app.\"{}\"($1, $2, $3)",
        wrapper.replace('"', "\"\"")
    );
    target.fetch_one(sqlx::query_as(AssertSqlSafe(statement)).bind(tenant).bind(user).bind(Json(input))).await
}

/// Lets a transaction act for a tenant until it ends: policies, views and the queue's functions go by it.
pub(crate) async fn act_for(transaction: &mut PgConnection, tenant: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_catalog.set_config('app.tenant_id', $1, true)")
        .bind(tenant.to_string())
        .execute(transaction)
        .await?;
    Ok(())
}

/// Queues one job.
pub(crate) async fn enqueue(
    target: Target<'_>,
    service: &str,
    operation: &str,
    input: &(impl Serialize + Sync),
    options: Options,
    job: JobOptions,
) -> Result<Queued, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT job_id, deduplicated FROM jobs.enqueue(
            _service => $1, _operation => $2, _input_data => $3, _idempotency_key => $4, _unique => $5,
            _tenant_id => $6, _triggered_by => $7, _correlation_id => $8, _priority => $9,
            _run_at => coalesce($10, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $11)),
            _timeout_seconds => $12, _max_attempts => $13)",
    )
    .bind(service)
    .bind(operation)
    .bind(Json(input))
    .bind(job.idempotency_key)
    .bind(options.unique)
    .bind(options.tenant)
    .bind(options.user)
    .bind(job.correlation_id)
    .bind(options.priority)
    .bind(options.run_at)
    .bind(options.delay_seconds)
    .bind(job.timeout_seconds)
    .bind(job.max_attempts);
    target.fetch_one(query).await
}

/// Queues many jobs of one operation with one statement; answers in the order of the inputs.
pub(crate) async fn enqueue_many(
    target: Target<'_>,
    service: &str,
    operation: &str,
    inputs: &[impl Serialize + Sync],
    options: Options,
    idempotency_keys: Option<Vec<String>>,
    correlation_ids: Option<Vec<String>>,
) -> Result<Vec<Queued>, sqlx::Error> {
    let inputs: Vec<_> = inputs.iter().map(Json).collect();
    let query = sqlx::query_as(
        "SELECT job_id, deduplicated FROM jobs.enqueue_many(
            _service => $1, _operation => $2, _inputs => $3, _idempotency_keys => $4, _correlation_ids => $5,
            _unique => $6, _tenant_id => $7, _triggered_by => $8, _priority => $9,
            _run_at => coalesce($10, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $11)))
         ORDER BY ordinal",
    )
    .bind(service)
    .bind(operation)
    .bind(inputs)
    .bind(idempotency_keys)
    .bind(correlation_ids)
    .bind(options.unique)
    .bind(options.tenant)
    .bind(options.user)
    .bind(options.priority)
    .bind(options.run_at)
    .bind(options.delay_seconds);
    target.fetch_all(query).await
}

/// Where a job stands; `None` when there is no such job, or none yet.
pub(crate) async fn standing(pool: &PgPool, id: Uuid) -> Result<Option<Standing>, sqlx::Error> {
    sqlx::query_as(
        "SELECT status, output_data::text AS output_data, error_message, failure_class, attempts FROM jobs.standing($1)",
    )
    .bind(id)
    .fetch_optional(pool)
    .await
    .map_err(target::explained)
}

/// Asks for a job's end to be announced on `jobs_done`, if it comes within a minute. A wish that a crash of PostgreSQL
/// undoes is no loss, so it does not wait for the disk.
pub(crate) async fn watch(pool: &PgPool, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT jobs.watch($1) FROM pg_catalog.set_config('synchronous_commit', 'off', true)")
        .bind(id)
        .execute(pool)
        .await?;
    Ok(())
}
