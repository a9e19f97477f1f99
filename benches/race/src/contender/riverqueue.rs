//! `riverqueue`.
//!
//! Tuned as the benchmark that its documentation names (`riverqueue bench` of riverqueue-cli, src/bench.rs): 2,000 jobs at
//! a time, a fetch cooldown of 2 ms ("Throughput is limited by this value", `ClientBuilder::fetch_cooldown`), a poll of
//! 20 ms, a pool of 50 connections, and 5,000 jobs an `insert_many`. The number of jobs at a time has no default; where
//! nothing is tuned it is the 100 of River's own getting-started page.

use std::time::Duration;

use riverqueue::{
    BoxError, Client, InsertOpts, Job, JobArgs, QueueConfig, WorkContext, WorkOutcome, Workers,
    migrate::PostgresMigrator,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::{CLIENTS, Contender, Place};
use crate::handler::{Handler, Payload};

#[derive(Clone)]
pub(crate) struct RiverQueue {
    pool: PgPool,
    /// Without workers: it only inserts.
    producer: Client,
}

#[derive(Clone, Debug, Serialize, Deserialize, JobArgs)]
#[river(kind = "noop")]
struct Noop {
    n: i64,
    sent: i64,
}

impl From<Payload> for Noop {
    fn from(Payload { n, sent }: Payload) -> Self {
        Self { n, sent }
    }
}

impl Contender for RiverQueue {
    const KEEPS: &'static str = "jobs";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        let pool = place.pool(CLIENTS).await?;
        let producer = Client::builder(pool.clone()).build()?;
        Ok(Self { pool, producer })
    }

    async fn install(&self) -> anyhow::Result<()> {
        PostgresMigrator::new(self.pool.clone()).migrate_up().await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        let jobs = jobs.into_iter().map(|job| (Noop::from(job), InsertOpts::default()));
        self.producer.insert_many(jobs).await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        self.producer.insert(Noop::from(job)).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM river_job WHERE finalized_at IS NULL)";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        let mut workers = Workers::new();
        workers.add_fn(move |_: WorkContext, job: Job<Noop>| {
            let handler = handler.clone();
            async move {
                handler.call(Payload { n: job.args.n, sent: job.args.sent }).await?;
                Ok::<_, BoxError>(WorkOutcome::Complete)
            }
        })?;
        let queue = if place.defaults {
            QueueConfig::new(100)
        } else {
            QueueConfig::new(2_000)
                .with_fetch_cooldown(Duration::from_millis(2))
                .with_fetch_poll_interval(Duration::from_millis(20))
        };
        // sqlx's own default is 10 connections.
        let pool = place.pool(if place.defaults { 10 } else { 50 }).await?;
        let client = Client::builder(pool).workers(workers).queue(riverqueue::QUEUE_DEFAULT, queue).build()?;
        Ok(client.start()?)
    }
}
