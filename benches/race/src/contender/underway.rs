//! `underway`.
//!
//! It has no advice on throughput but `Worker::set_concurrency_limit` ("Set a fixed concurrency limit", 32 in its example)
//! and `Worker::run_every`, "the delay between polls": each poll starts one of those 32 until none is free, so that the
//! default of a minute leaves a full queue to one. Tuned: 32, polls of 10 ms, 70 connections, since each running task holds
//! two. As it comes, it works one task for each core.

use std::sync::Arc;

use jiff::ToSpan;
use sqlx08::{PgPool, Postgres, Transaction};
use tokio::sync::OnceCell;
use underway::{Queue, Task, Worker, task};

use super::{CLIENTS, Contender, Place, must_not_end};
use crate::handler::{Handler, Payload};

#[derive(Clone)]
pub(crate) struct Underway {
    pool: PgPool,
    /// Made once: making it writes to the database.
    queue: Arc<OnceCell<Queue<Noop>>>,
}

#[derive(Clone)]
struct Noop(Handler);

impl Task for Noop {
    type Input = Payload;
    type Output = ();

    async fn execute(&self, _: Transaction<'_, Postgres>, job: Payload) -> task::Result<()> {
        self.0.call(job).await.map_err(|error| task::Error::Retryable(error.to_string()))
    }
}

/// What producers name the task by: its handler is never called.
fn named() -> Noop {
    Noop(Handler::counting())
}

async fn make_queue(pool: PgPool) -> anyhow::Result<Queue<Noop>> {
    Ok(Queue::builder().name("race").pool(pool).build().await?)
}

impl Underway {
    async fn queue(&self) -> anyhow::Result<&Queue<Noop>> {
        self.queue.get_or_try_init(|| make_queue(self.pool.clone())).await
    }
}

impl Contender for Underway {
    const KEEPS: &'static str = "jobs, attempts";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self { pool: place.older_pool(CLIENTS).await?, queue: Arc::default() })
    }

    async fn install(&self) -> anyhow::Result<()> {
        underway::run_migrations(&self.pool).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        self.queue().await?.enqueue_multi(&self.pool, &named(), &jobs).await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        self.queue().await?.enqueue(&self.pool, &named(), &job).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM underway.task WHERE state IN ('pending', 'in_progress'))";
        Ok(sqlx08::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        // sqlx's own default is 10 connections.
        let pool = place.older_pool(if place.defaults { 10 } else { 70 }).await?;
        let mut worker = Worker::new(Arc::new(make_queue(pool).await?), Noop(handler));
        let running = if place.defaults {
            tokio::spawn(async move { must_not_end(worker.run().await) })
        } else {
            worker.set_concurrency_limit(32);
            tokio::spawn(async move { must_not_end(worker.run_every(10.milliseconds()).await) })
        };
        Ok(running)
    }
}
