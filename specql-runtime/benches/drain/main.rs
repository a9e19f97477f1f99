//! How fast one worker drains a queue of no-op jobs, with history and fencing, on a server that flushes to disk; and how
//! fast it does so where each completion writes to a row of its own.
//!
//! `cargo bench -p specql-runtime --bench drain [-- JOBS]`. It uses the server of `DATABASE_URL`, else the embedded one,
//! and a database of its own there, which it drops.

mod callback;

use std::{
    convert::Infallible,
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::json;
use specql_registry::Registry;
use specql_runtime::{
    Database, Project, Worker,
    client::{EnqueueMany, Operation},
    queue::{Link, registration::operation_records},
};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tokio::sync::Notify;

/// Rounds; the median is the result.
const ROUNDS: usize = 3;
/// Jobs of a round, where nothing is said.
const JOBS: usize = 100_000;
/// Jobs of one call of the bulk path.
const CHUNK: usize = 5_000;
/// Single jobs whose way from the commit to the handler is measured.
const WAKE_UPS: usize = 200;

static PROJECT: Project = Project {
    name: "specql_drain",
    root: "",
    compiler_version: "",
    migrations: &[],
    registry: "",
    uses_jobs: true,
    functions: &[],
};

/// An operation that does nothing, and may do it twice.
struct Noop;

#[derive(Clone, Serialize, Deserialize)]
struct Empty {}

impl Operation for Noop {
    const SERVICE: &'static str = "bench";
    const OPERATION: &'static str = "noop";
    type Input = Empty;
    type Output = Empty;
}

fn registry() -> anyhow::Result<Registry> {
    Ok(serde_json::from_value(json!({"services": {"bench": {
        "name": "bench", "kind": null, "category": null, "description": null, "execution_type": "http",
        "base": "handler", "environments": {},
        "operations": {"noop": {
            "name": "noop", "description": null, "input": {"fields": {}}, "output": {"fields": {}},
            "timeout_seconds": 60, "max_attempts": 5, "unique": "never", "idempotent": true,
            "retry": {"initial_ms": 1000, "max_ms": 600_000, "jitter": true}, "call": "handler"
        }, "charge": {
            "name": "charge", "description": null, "input": {"fields": {}}, "output": {"fields": {
                "id": {"ty": {"basic": "text"}, "required": true, "default": null, "description": null}}},
            "timeout_seconds": 60, "max_attempts": 5, "unique": "never", "idempotent": true,
            "retry": {"initial_ms": 1000, "max_ms": 600_000, "jitter": true}, "call": "handler"
        }}
    }}}))?)
}

fn main() -> anyhow::Result<()> {
    // `cargo bench` passes `--bench`; a number is the number of jobs.
    let jobs = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(JOBS);
    tokio::runtime::Runtime::new()?.block_on(run(jobs))
}

async fn run(jobs: usize) -> anyhow::Result<()> {
    let server = Database::open(&PROJECT).await?;
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(server.pool()).await?;
    let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(server.pool()).await?;
    println!("PostgreSQL {version}, fsync {fsync}, {jobs} jobs a round");
    let name = format!("specql_drain_{}", std::process::id());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(server.pool()).await?;
    let options = server.pool().connect_options().as_ref().clone().database(&name);
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await?;
    let measured = measure(&pool, jobs).await;
    pool.close().await;
    // Not WITH (FORCE): only a superuser may end an autovacuum so, while a plain DROP waits for it.
    sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE {name}"))).execute(server.pool()).await?;
    measured
}

async fn measure(pool: &PgPool, jobs: usize) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(callback::schema()?)).execute(pool).await?;
    let registry = registry()?;
    let project = Project { registry: serde_json::to_string(&registry)?.leak(), ..PROJECT };
    let database = Database::from_pool(pool.clone(), Box::leak(Box::new(project)));
    let mut link = Link::new(&pool.connect_options(), "bench", Duration::from_secs(30));
    link.register_operations(&operation_records(&registry, None)).await?;

    let (mut enqueued, mut drained, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let wal = wal_position(pool).await?;
        let started = Instant::now();
        enqueue(&database, jobs).await?;
        enqueued.push(per_second(jobs, started));
        let started = Instant::now();
        drain::<Noop>(&database, jobs, Empty {}).await?;
        drained.push(per_second(jobs, started));
        bytes.push((wal_position(pool).await? - wal) / jobs as f64);
        println!(
            "round {round}: enqueued {:.0} jobs/s, drained {:.0} jobs/s, {:.0} bytes of WAL a job",
            enqueued[round - 1],
            drained[round - 1],
            bytes[round - 1]
        );
    }
    let done: i64 =
        sqlx::query_scalar("SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed' AND attempts = 1")
            .fetch_one(pool)
            .await?;
    ensure!(usize::try_from(done)? == ROUNDS * jobs, "{done} jobs completed of {}", ROUNDS * jobs);
    println!(
        "median: enqueued {:.0} jobs/s, drained {:.0} jobs/s, {:.0} bytes of WAL a job",
        median(enqueued),
        median(drained),
        median(bytes)
    );
    wake_up(&database).await?;
    callback::measure(&database, jobs).await
}

async fn enqueue(database: &Database, jobs: usize) -> anyhow::Result<()> {
    let mut left = jobs;
    while left > 0 {
        let chunk = left.min(CHUNK);
        EnqueueMany::<Noop>::new(vec![Empty {}; chunk]).send(database).await?;
        left -= chunk;
    }
    Ok(())
}

/// From the start of a worker, its registration included, to the last written outcome.
async fn drain<O: Operation>(database: &Database, jobs: usize, output: O::Output) -> anyhow::Result<()>
where
    O::Output: Clone + Sync,
{
    let (called, all_called) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, last) = (Arc::clone(&called), Arc::clone(&all_called));
    let worker = Worker::builder(database)
        .handle::<O>(move |_, _| {
            if counter.fetch_add(1, Ordering::Relaxed) + 1 == jobs {
                last.notify_one();
            }
            std::future::ready(Ok::<_, Infallible>(output.clone()))
        })
        .start()
        .await?;
    all_called.notified().await;
    // Returns when every result is on disk.
    worker.shutdown().await?;
    Ok(())
}

/// How long a job takes from its commit to its handler, on a worker that has nothing to do.
async fn wake_up(database: &Database) -> anyhow::Result<()> {
    let arrived = Arc::new(Notify::new());
    let arrival = Arc::clone(&arrived);
    let worker = Worker::builder(database)
        .handle::<Noop>(move |_, _| {
            arrival.notify_one();
            std::future::ready(Ok::<_, Infallible>(Empty {}))
        })
        .start()
        .await?;
    let mut waits = Vec::new();
    for _ in 0..WAKE_UPS {
        // Long enough for the worker to fall back to its idle poll.
        tokio::time::sleep(Duration::from_millis(40)).await;
        EnqueueMany::<Noop>::new(vec![Empty {}]).send(database).await?;
        let committed = Instant::now();
        arrived.notified().await;
        waits.push(committed.elapsed());
    }
    worker.shutdown().await?;
    waits.sort();
    println!("commit to handler: p50 {:.2?}, p99 {:.2?}", waits[WAKE_UPS / 2], waits[WAKE_UPS * 99 / 100]);
    Ok(())
}

async fn wal_position(pool: &PgPool) -> anyhow::Result<f64> {
    let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

fn per_second(jobs: usize, started: Instant) -> f64 {
    jobs as f64 / started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
