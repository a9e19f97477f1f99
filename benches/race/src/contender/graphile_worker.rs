//! `graphile_worker`.
//!
//! Tuned as its own benchmark of 200,000 jobs (`benches/perf_test.rs` of its package): 500 jobs at a time, a local queue
//! of 5,000, completions batched over 5 ms, a poll of 5 ms, a pool of 100 connections. Its documentation says so too: "For
//! job bursts, combine a tuned concurrency value with local queueing and small batching delays."
//! (docs/src/configuration/worker-options.md). Recovery of dead workers is off as it comes, and stays so.

use std::time::Duration;

use anyhow::Context;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::{CLIENTS, Contender, Place, must_not_end};
use crate::handler::{Handler, Payload};

/// The name that its documentation uses.
const SCHEMA: &str = "graphile_worker";

#[derive(Clone)]
pub(crate) struct GraphileWorker {
    pool: PgPool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Noop(Payload);

impl TaskHandler for Noop {
    const IDENTIFIER: &'static str = "noop";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let handler = context.get_ext::<Handler>().ok_or("no handler")?;
        handler.call(self.0).await.map_err(|error| error.to_string())
    }
}

impl GraphileWorker {
    fn utils(&self) -> WorkerUtils {
        WorkerUtils::new(self.pool.clone(), SCHEMA)
    }
}

impl Contender for GraphileWorker {
    const KEEPS: &'static str = "nothing";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self { pool: place.pool(CLIENTS).await? })
    }

    async fn install(&self) -> anyhow::Result<()> {
        self.utils().migrate().await.context("migrating")
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        let spec = JobSpec::default();
        let jobs: Vec<_> = jobs.into_iter().map(|job| (Noop(job), &spec)).collect();
        self.utils().add_jobs::<Noop>(&jobs).await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        self.utils().add_job(Noop(job), JobSpec::default()).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        // It deletes what is done.
        let sql = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        let options = WorkerOptions::default()
            .schema(SCHEMA)
            .listen_os_shutdown_signals(false)
            .add_extension(handler)
            .define_job::<Noop>();
        let options = if place.defaults {
            options.database_url(&place.url)
        } else {
            options
                .pg_pool(place.pool(100).await?)
                .concurrency(500)
                .poll_interval(Duration::from_millis(5))
                .complete_job_batch_delay(Duration::from_millis(5))
                .local_queue(LocalQueueConfig::default().with_size(5_000))
        };
        let worker = options.init().await?;
        Ok(tokio::spawn(async move { must_not_end(worker.run().await) }))
    }
}
