//! `specql jobs`: the queue as an operator sees it.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};
use specql_runtime::{Database, Project, queue::inspect};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    cli::{Breaker, Held, Jobs, Status, Which},
    project, table,
};

pub(super) fn run(command: &Jobs, dir: &Path) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let database = open(dir).await?;
        let pool = database.pool();
        match command {
            Jobs::List { status, limit } => list(pool, *status, *limit).await,
            Jobs::Show { id } => show(pool, *id).await,
            Jobs::Retry { id: Some(id), .. } => retry(pool, *id).await,
            Jobs::Retry { id: None, which, limit } => retry_many(pool, which, *limit).await,
            Jobs::Cancel { id } => cancel(pool, *id).await,
            Jobs::Pause { held, reason } => pause(pool, held, reason.as_deref()).await,
            Jobs::Resume { held } => resume(pool, held).await,
            Jobs::Breaker(Breaker::Close { service, operation }) => {
                close_breakers(pool, service, operation.as_deref()).await
            }
        }
    })
}

/// `DATABASE_URL`, else the embedded database of the project.
async fn open(dir: &Path) -> anyhow::Result<Database> {
    let (name, root) = match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => (String::new(), String::new()),
        _ => {
            let root = project::root(dir)?;
            (project::package_name(&root)?, root.display().to_string())
        }
    };
    // A project is a static of the application; this process has one command's life.
    let project = Project {
        name: name.leak(),
        root: root.leak(),
        compiler_version: env!("CARGO_PKG_VERSION"),
        migrations: &[],
        registry: "{\"services\":{}}",
        uses_jobs: true,
        functions: &[],
    };
    Ok(Database::open(Box::leak(Box::new(project))).await?)
}

async fn list(pool: &PgPool, status: Option<Status>, limit: u32) -> anyhow::Result<ExitCode> {
    let jobs = inspect::list(pool, status.map(Status::name), limit.into()).await.context(NO_QUEUE)?;
    let rows: Vec<_> = (jobs.into_iter())
        .map(|job| {
            let attempts = match job.max_attempts {
                Some(max) => format!("{}/{max}", job.attempts),
                None => job.attempts.to_string(),
            };
            [
                job.id.to_string(),
                job.status,
                format!("{}.{}", job.service_name, job.operation),
                attempts,
                job.created_at,
                job.waits_for.unwrap_or_default(),
                job.error_message.unwrap_or_default(),
            ]
        })
        .collect();
    table::print(["ID", "STATUS", "CALL", "ATTEMPTS", "QUEUED", "WAITS FOR", "ERROR"], &rows);
    Ok(ExitCode::SUCCESS)
}

async fn show(pool: &PgPool, id: Uuid) -> anyhow::Result<ExitCode> {
    let Some(job) = inspect::show(pool, id).await.context(NO_QUEUE)? else {
        bail!("there is no job {id}");
    };
    let rows: Vec<_> = job.into_iter().map(<[String; 2]>::from).collect();
    table::print(["COLUMN", "VALUE"], &rows);
    println!();
    let events = inspect::history(pool, id).await?;
    let rows: Vec<_> = (events.into_iter())
        .map(|event| {
            let class = event.failure_class.unwrap_or_default();
            [event.at, event.event, event.attempt.to_string(), class, event.message.unwrap_or_default()]
        })
        .collect();
    table::print(["AT", "EVENT", "ATTEMPT", "CLASS", "MESSAGE"], &rows);
    Ok(ExitCode::SUCCESS)
}

async fn retry(pool: &PgPool, id: Uuid) -> anyhow::Result<ExitCode> {
    inspect::retry(pool, id).await?;
    println!("job {id} is queued again");
    Ok(ExitCode::SUCCESS)
}

async fn retry_many(pool: &PgPool, which: &Which, limit: Option<u64>) -> anyhow::Result<ExitCode> {
    let failed = inspect::Failed {
        service: which.service.clone(),
        operation: which.operation.clone(),
        class: which.class.clone(),
        tenant: which.tenant,
        since: which.since.clone(),
        until: which.until.clone(),
    };
    let done = inspect::retry_many(pool, &failed, limit).await.context(NO_QUEUE)?;
    println!("queued again: {}", done.retried);
    if done.refused > 0 {
        println!("left as they are, because another job has taken the key since: {}", done.refused);
    }
    Ok(ExitCode::SUCCESS)
}

async fn cancel(pool: &PgPool, id: Uuid) -> anyhow::Result<ExitCode> {
    match inspect::cancel(pool, id).await?.as_str() {
        "cancelled" => println!("job {id} is cancelled"),
        "cancelling" => println!("job {id} runs; its worker was told to stop"),
        "finished" => bail!("job {id} is finished already"),
        _ => bail!("there is no job {id}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn held(held: &Held) -> inspect::Held {
    inspect::Held {
        service: held.service.clone(),
        operation: held.operation.clone(),
        execution_type: held.execution_type.clone(),
        tenant: held.tenant,
    }
}

async fn pause(pool: &PgPool, which: &Held, reason: Option<&str>) -> anyhow::Result<ExitCode> {
    match inspect::pause(pool, &held(which), reason).await? {
        true => println!("paused; what runs goes on"),
        false => println!("it was paused already"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn resume(pool: &PgPool, which: &Held) -> anyhow::Result<ExitCode> {
    if !inspect::resume(pool, &held(which)).await? {
        bail!("there is no pause of these words (`jobs.v_pause` has all)");
    }
    println!("resumed");
    Ok(ExitCode::SUCCESS)
}

async fn close_breakers(pool: &PgPool, service: &str, operation: Option<&str>) -> anyhow::Result<ExitCode> {
    println!("closed: {}", inspect::close_breakers(pool, service, operation).await?);
    Ok(ExitCode::SUCCESS)
}

/// Most likely why the queue cannot be asked.
const NO_QUEUE: &str =
    "the job queue of this database cannot be read (was the application's `db.migrate()` run on it?)";
