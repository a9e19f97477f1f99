//! `sqlxmq`.
//!
//! Tuned by `JobRunnerOptions::set_concurrency`: "The difference between the min and max will dictate the maximum batch
//! size which can be received: larger batch sizes are more efficient." Here 100 and 500, over 50 connections, since each
//! job completes with a statement of its own. It has no call that queues several jobs: in bulk, they share a transaction.
//! As it comes: 16 and 32.

use std::{error::Error, path::Path};

use anyhow::Context;
use serde_json::Value;
use sqlx08::PgPool;
use sqlxmq::{CurrentJob, JobRegistry};

use super::{CLIENTS, Contender, Place};
use crate::handler::{Handler, Payload};

#[derive(Clone)]
pub(crate) struct SqlxMq {
    pool: PgPool,
}

#[sqlxmq::job(channel_name = "race")]
async fn noop(mut current_job: CurrentJob, handler: Handler) -> Result<(), Box<dyn Error + Send + Sync>> {
    let job: Payload = current_job.json()?.ok_or("a job without payload")?;
    handler.call(job).await?;
    current_job.complete().await?;
    Ok(())
}

/// "You can copy the migration files from this crate into your own": they are read from where Cargo keeps them.
async fn migrations() -> anyhow::Result<Vec<String>> {
    let metadata = tokio::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .await?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let package = packages.iter().find(|package| package["name"] == "sqlxmq").context("no sqlxmq")?;
    let manifest = package["manifest_path"].as_str().context("no manifest")?;
    let folder = Path::new(manifest).with_file_name("migrations");
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(".up.sql"));
    files.sort();
    files.iter().map(|file| Ok(std::fs::read_to_string(file)?)).collect()
}

impl Contender for SqlxMq {
    const KEEPS: &'static str = "nothing";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self { pool: place.older_pool(CLIENTS).await? })
    }

    async fn install(&self) -> anyhow::Result<()> {
        for migration in migrations().await? {
            sqlx08::raw_sql(&migration).execute(&self.pool).await?;
        }
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin().await?;
        for job in &jobs {
            noop.builder().set_json(job)?.spawn(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        noop.builder().set_json(&job)?.spawn(&self.pool).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        // It deletes what is done, and keeps one row for its foreign key.
        let sql = "SELECT EXISTS (SELECT FROM mq_msgs WHERE id <> uuid_nil())";
        Ok(sqlx08::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        let mut registry = JobRegistry::new(&[noop]);
        registry.set_context(handler);
        // sqlx's own default is 10 connections.
        let pool = place.older_pool(if place.defaults { 10 } else { 50 }).await?;
        let mut runner = registry.runner(&pool);
        if !place.defaults {
            runner.set_concurrency(100, 500);
        }
        Ok(runner.run().await?)
    }
}
