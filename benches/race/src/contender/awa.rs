//! `awa`.
//!
//! Tuned after its own throughput benchmark (`test_throughput_rust_workers_queue_storage` in awa/tests/benchmark_test.rs):
//! a poll of 50 ms, no deadline — which lets it take "the receipt-plane short path for zero-deadline jobs"
//! (`QueueStorageConfig::lease_claim_receipts`) —, a pool of 20 connections. The 100 workers there bound what a claim can
//! take; 500 drained four times as fast here, 1,000 and 2,000 no faster, two claimers slower. In bulk it queues by COPY:
//! "For high-volume queue-storage producers, prefer `QueueStorage::enqueue_params_copy`" (`insert_many_copy`).

use std::time::Duration;

use awa::{Client, InsertOpts, JobArgs, JobResult, QueueConfig, QueueStorage, QueueStorageConfig};
use serde::{Deserialize, Serialize};
use sqlx08::PgPool;

use super::{CLIENTS, Contender, Place};
use crate::handler::{Handler, Payload};

/// The queue that a job is in if nothing else is said.
const QUEUE: &str = "default";

#[derive(Clone)]
pub(crate) struct Awa {
    pool: PgPool,
}

#[derive(Clone, Debug, Serialize, Deserialize, JobArgs)]
struct Noop {
    n: i64,
    sent: i64,
}

impl From<Payload> for Noop {
    fn from(Payload { n, sent }: Payload) -> Self {
        Self { n, sent }
    }
}

fn storage() -> anyhow::Result<QueueStorage> {
    Ok(QueueStorage::new(QueueStorageConfig::default())?)
}

impl Contender for Awa {
    const KEEPS: &'static str = "jobs, attempts";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self { pool: place.older_pool(CLIENTS).await? })
    }

    async fn install(&self) -> anyhow::Result<()> {
        awa::migrations::run(&self.pool).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        let jobs = jobs
            .into_iter()
            .map(|job| awa::insert::params_with(&Noop::from(job), InsertOpts::default()))
            .collect::<Result<Vec<_>, _>>()?;
        storage()?.enqueue_params_copy(&self.pool, &jobs).await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        awa::model::insert(&self.pool, &Noop::from(job)).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        let counts = storage()?.queue_counts(&self.pool, QUEUE).await?;
        Ok(counts.available + counts.running > 0)
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        let queue = if place.defaults {
            QueueConfig::default()
        } else {
            QueueConfig {
                max_workers: 500,
                poll_interval: Duration::from_millis(50),
                deadline_duration: Duration::ZERO,
                ..QueueConfig::default()
            }
        };
        // sqlx's own default is 10 connections.
        let pool = place.older_pool(if place.defaults { 10 } else { 20 }).await?;
        let client = Client::builder(pool)
            .queue(QUEUE, queue)
            .register::<Noop, _, _>(move |job, _| {
                let handler = handler.clone();
                async move {
                    let done = handler.call(Payload { n: job.n, sent: job.sent }).await;
                    done.map(|()| JobResult::Completed).map_err(awa::JobError::retryable)
                }
            })
            .build()?;
        client.start().await?;
        Ok(client)
    }
}
