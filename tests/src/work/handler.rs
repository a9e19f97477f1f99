//! What the calls do, and the far side that counts them.

use std::time::Duration;

use specql_registry::FailureClass;
use specql_runtime::{
    Database, Worker,
    runner::{Failure, handler::JobContext},
    worker::WorkerBuilder,
};
use sqlx::{
    PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    types::chrono::{DateTime, Utc},
};

use super::services::{
    detour,
    display::{Show, ShowInput, ShowOutput},
    narrow::{Squeeze, SqueezeOutput},
    work::{Pay, PayOutput, Run, RunOutput},
};

/// Where calls are counted.
pub(super) const FAR_SIDE: &str = "
    CREATE SCHEMA far_side;
    CREATE TABLE far_side.tb_call (job uuid NOT NULL, operation text NOT NULL, attempt integer NOT NULL, process integer NOT NULL,
        -- The clock of the process that called, and the database's.
        process_clock timestamptz NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX ix_call_job ON far_side.tb_call (job);
    CREATE TABLE far_side.tb_process (process integer NOT NULL, worker uuid NOT NULL);
    -- What displays were told: one that was broken off has no end.
    CREATE TABLE far_side.tb_showing (pk_showing bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, dial uuid NOT NULL,
        value integer NOT NULL, job uuid NOT NULL, attempt integer NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz)";

/// A call that the far side has seen.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the columns
pub struct Call {
    pub attempt: i32,
    pub process: i32,
    pub process_clock: DateTime<Utc>,
    pub at: DateTime<Utc>,
}

/// A worker on `database` that serves all operations. The far side is reached by connections that the queue's faults do
/// not reach.
pub fn builder(database: &Database, far_side: &PgConnectOptions) -> WorkerBuilder {
    let far_side = PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(far_side.clone());
    let (run, pay, squeeze, show) = (far_side.clone(), far_side.clone(), far_side.clone(), far_side);
    Worker::builder(database)
        .shutdown_timeout(Duration::from_secs(5))
        .handle::<Run>(move |input, job| {
            let far_side = run.clone();
            async move {
                call(&far_side, "run", &input.how, &job).await?;
                Ok::<_, Failure>(RunOutput { process: process() })
            }
        })
        .handle::<Pay>(move |input, job| {
            let far_side = pay.clone();
            async move {
                call(&far_side, "pay", &input.how, &job).await?;
                Ok::<_, Failure>(PayOutput { process: process() })
            }
        })
        .handle::<Squeeze>(move |input, job| {
            let far_side = squeeze.clone();
            async move {
                call(&far_side, "squeeze", &input.how, &job).await?;
                Ok::<_, Failure>(SqueezeOutput { process: process() })
            }
        })
        .handle::<detour::Squeeze>(move |_, _| async move {
            Err::<detour::SqueezeOutput, _>(Failure::new(FailureClass::NotStarted, "there is no way through"))
        })
        .handle::<Show>(move |input, job| {
            let far_side = show.clone();
            async move {
                shown(&far_side, &input, &job).await?;
                Ok::<_, Failure>(ShowOutput { process: process() })
            }
        })
}

fn process() -> i32 {
    i32::try_from(std::process::id()).expect("process ids are small")
}

async fn reach(far_side: &PgPool) -> Result<PoolConnection<Postgres>, Failure> {
    let unreachable =
        |error| Failure::new(FailureClass::NotStarted, format!("the far side cannot be reached: {error}"));
    far_side.acquire().await.map_err(unreachable)
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn broken_off(error: sqlx::Error) -> Failure {
    Failure::new(FailureClass::Ambiguous, format!("the far side broke off: {error}"))
}

async fn call(far_side: &PgPool, operation: &str, how: &str, job: &JobContext) -> Result<(), Failure> {
    record(&mut *reach(far_side).await?, operation, job).await.map_err(broken_off)?;
    act(how, job).await
}

/// Tells a display its value. The end is recorded too, so that two that ran together are seen.
async fn shown(far_side: &PgPool, input: &ShowInput, job: &JobContext) -> Result<(), Failure> {
    let sql =
        "INSERT INTO far_side.tb_showing (dial, value, job, attempt) VALUES ($1, $2, $3, $4) RETURNING pk_showing";
    let showing: i64 = sqlx::query_scalar(sql)
        .bind(input.dial)
        .bind(input.value)
        .bind(job.id)
        .bind(i32::try_from(job.attempt).expect("attempts are few"))
        .fetch_one(&mut *reach(far_side).await?)
        .await
        .map_err(broken_off)?;
    act(&input.how, job).await?;
    let sql = "UPDATE far_side.tb_showing SET ended_at = clock_timestamp() WHERE pk_showing = $1";
    sqlx::query(sql).bind(showing).execute(far_side).await.map(|_| ()).map_err(broken_off)
}

async fn act(how: &str, job: &JobContext) -> Result<(), Failure> {
    match how {
        "now" => Ok(()),
        "hang" => std::future::pending().await,
        "busy" if job.attempt == 1 => Err(Failure::new(FailureClass::TransientReported, "busy")),
        "busy" => Ok(()),
        "refuse" => Err(Failure::new(FailureClass::PermanentReported, "refused")),
        "die" => std::process::abort(),
        time => {
            let millis = time.strip_suffix("ms").and_then(|millis| millis.parse().ok());
            let millis = millis
                .ok_or_else(|| Failure::new(FailureClass::InvalidInput, format!("what is it to do? `{time}`")))?;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(())
        }
    }
}

async fn record(far_side: &mut PgConnection, operation: &str, job: &JobContext) -> Result<(), sqlx::Error> {
    let sql =
        "INSERT INTO far_side.tb_call (job, operation, attempt, process, process_clock) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(job.id)
        .bind(operation)
        .bind(i32::try_from(job.attempt).expect("attempts are few"))
        .bind(process())
        .bind(DateTime::<Utc>::from(std::time::SystemTime::now()))
        .execute(far_side)
        .await
        .map(|_| ())
}
