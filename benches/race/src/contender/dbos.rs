//! `dbos`.
//!
//! A job is a workflow without steps, on a queue. It publishes no benchmark; tuned, by the words of `QueueOptions`: 5,000
//! workflows at a time in this process (`worker_concurrency`, "answered from a local tally without a round trip, which is
//! why it is the cheap limit") and a poll of 10 ms ("How often this queue is polled when it is quiet"), over the 20
//! connections of `Config`'s example. Of 20,000 jobs, 500 at a time were slower here, and no limit slower still: as it
//! comes, it claims all that is queued, and polls each second.
//!
//! `Client::enqueue` takes one workflow, and never the caller's transaction. "You can enqueue a workflow as part of a
//! larger database transaction" by the SQL function that comes with its tables, `dbos.enqueue_workflow`
//! (docs.dbos.dev/explanations/system-tables): a statement queues many so; one at a time it is as fast as the client.

use std::time::Duration;

use anyhow::anyhow;
use dbos::{Config, DBOS, QueueConflict, QueueOptions};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::{CLIENTS, Contender, Place};
use crate::handler::{Handler, Payload};

const APPLICATION: &str = "race";
const QUEUE: &str = "race";
const WORKFLOW: &str = "noop";
/// A worker's waits begin at a second whatever the queue's own is, and shrink by a tenth with each poll.
const UNTIL_IT_POLLS_AS_TOLD: Duration = Duration::from_secs(11);

#[derive(Clone)]
pub(crate) struct Dbos {
    url: String,
    pool: PgPool,
}

/// The workflow's argument as `dbos.enqueue_workflow` writes it: its "Portable JSON Format", which the crate does not yet
/// take apart by itself.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Noop {
    positional_args: [Payload; 1],
}

/// A failure is kept as it is, so that it must be of a type that can be read back.
#[derive(Debug, Serialize, Deserialize)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// The version has no default: "`launch` fails when neither this nor `DBOS__APPVERSION` gives it one".
fn config(url: &str) -> Config {
    Config { app_version: Some("1".into()), ..Config::new(APPLICATION, url) }
}

impl Contender for Dbos {
    const KEEPS: &'static str = "jobs";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self { url: place.url.clone(), pool: place.pool(CLIENTS).await? })
    }

    async fn install(&self) -> anyhow::Result<()> {
        let dbos = DBOS::new(config(&self.url));
        dbos.launch().await?;
        dbos.shutdown().await;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        let sql = "SELECT count(dbos.enqueue_workflow($1, $2, ARRAY[job], application_name => $3)) \
                   FROM unnest($4::json[]) AS job";
        let jobs = jobs.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        sqlx::query(sql).bind(WORKFLOW).bind(QUEUE).bind(APPLICATION).bind(jobs).execute(&self.pool).await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        let sql = "SELECT dbos.enqueue_workflow($1, $2, ARRAY[$4::json], application_name => $3)";
        let job = serde_json::to_value(job)?;
        sqlx::query(sql).bind(WORKFLOW).bind(QUEUE).bind(APPLICATION).bind(job).execute(&self.pool).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        // Each with an index of its own.
        let sql = "SELECT EXISTS (SELECT FROM dbos.workflow_status WHERE queue_name = $1 AND status = 'ENQUEUED') \
                   OR EXISTS (SELECT FROM dbos.workflow_status WHERE status = 'PENDING')";
        Ok(sqlx::query_scalar(sql).bind(QUEUE).fetch_one(&self.pool).await?)
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        let config = config(&place.url);
        let config = if place.defaults { config } else { Config { max_connections: 20, ..config } };
        let queue = if place.defaults {
            QueueOptions::default()
        } else {
            QueueOptions {
                worker_concurrency: Some(5_000),
                polling_interval: Duration::from_millis(10),
                // "How many of this queue's workflows may run at once across every executor."
                concurrency: place.limit.map(i32::try_from).transpose()?,
                ..QueueOptions::default()
            }
        };
        let dbos = DBOS::new(config);
        dbos.register_workflow(WORKFLOW, move |Noop { positional_args: [job] }: Noop| {
            let handler = handler.clone();
            async move { Ok(handler.call(job).await.map_err(|error| Failed(error.to_string()))?) }
        })
        .map_err(|error| anyhow!("registering the workflow: {error}"))?;
        dbos.launch().await?;
        dbos.register_queue(QUEUE, queue, QueueConflict::UpdateIfLatestVersion).await?;
        // One that finds its queue full is measured by that; an idle one is to be idle as it would be all day.
        if !place.defaults && !self.unfinished().await? {
            tokio::time::sleep(UNTIL_IT_POLLS_AS_TOLD).await;
        }
        Ok(dbos)
    }
}
