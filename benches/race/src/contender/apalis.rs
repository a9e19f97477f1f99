//! `apalis-postgres`.
//!
//! Tuned as its examples/basic.rs: no lock query of its own for each task, LISTEN and NOTIFY, and each task in a tokio
//! task of its own; with batches of 5,000 instead of 100 ("Larger batches can improve throughput by reducing the number of
//! queue operations", `Config::batch_size`), which drained five times as fast here, and a poll beside LISTEN as in its
//! examples/pubsub.rs, every 10 ms, without which it fell behind a steady stream. In bulk it queues with
//! `queries::push_tasks`, of its README. As it comes, it is the README's "Pubsub listener example" with the default batch.

use std::time::Duration;

use ::apalis::prelude::{
    BackendExt, BoxDynError, Data, ParallelizeExt, Strategy, TaskBuilder, TaskSink, WorkerBuilder,
};
use apalis_postgres::{Config, PostgresStorage};
use sqlx::PgPool;

use super::{CLIENTS, Contender, Place, must_not_end};
use crate::handler::{Handler, Payload};

const QUEUE: &str = "noop";

#[derive(Clone)]
pub(crate) struct Apalis {
    pool: PgPool,
}

async fn noop(job: Payload, handler: Data<Handler>) -> Result<(), BoxDynError> {
    Ok(handler.call(job).await?)
}

impl Contender for Apalis {
    const KEEPS: &'static str = "jobs";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self { pool: place.pool(CLIENTS).await? })
    }

    async fn install(&self) -> anyhow::Result<()> {
        PostgresStorage::<()>::setup(&self.pool).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        let jobs = jobs
            .iter()
            .map(|job| Ok(TaskBuilder::new(serde_json::to_vec(job)?).build()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut connection = self.pool.acquire().await?;
        apalis_postgres::queries::push_tasks(&mut *connection, QUEUE, jobs).await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        let mut storage = PostgresStorage::new(&self.pool).with_config(Config::default().queue(QUEUE));
        storage.push(job).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM apalis.jobs WHERE done_at IS NULL)";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        // sqlx's own default is 10 connections.
        let storage = PostgresStorage::<Payload>::new(&place.pool(10).await?);
        let config = Config::default().queue(QUEUE);
        let runtime = tokio::runtime::Handle::current();
        // A thread drives the worker: with `parallelize`, rustc does not see that its future may be sent to one.
        let worker = if place.defaults {
            let strategy = Strategy::new().interval(Duration::from_secs(5));
            let backend = storage.with_config(config).with_pubsub().poll_with_strategy(strategy);
            let worker = WorkerBuilder::new("race").backend(backend).data(handler).build(noop);
            std::thread::spawn(move || must_not_end(runtime.block_on(worker.run())))
        } else {
            let config = config.batch_size(5_000).lock_tasks(false);
            let backend = storage.with_config(config).with_pubsub().poll_with_interval(Duration::from_millis(10));
            let worker =
                WorkerBuilder::new("race").backend(backend).data(handler).parallelize(tokio::spawn).build(noop);
            std::thread::spawn(move || must_not_end(runtime.block_on(worker.run())))
        };
        Ok(worker)
    }
}
