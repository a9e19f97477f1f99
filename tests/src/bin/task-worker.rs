//! A worker of [`specql_tests::work`] as a process of its own, so that a test can kill, stop and misinform it. Its database is
//! `DATABASE_URL`, its far side `FAR_SIDE_URL`.

use std::process::ExitCode;

use anyhow::Context as _;
use specql_runtime::Database;
use specql_tests::work;
use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into()))
        .with_writer(std::io::stderr)
        .init();
    match work().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("task-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work() -> anyhow::Result<()> {
    let far_side: PgConnectOptions = std::env::var("FAR_SIDE_URL").context("`FAR_SIDE_URL` is not set")?.parse()?;
    let database = Database::open(&work::PROJECT).await?;
    let worker = work::builder(&database, &far_side).concurrency(20).start().await?;
    // Who counts what became of a process's jobs must know which worker it was.
    let mut connection = far_side.connect().await?;
    let process = i32::try_from(std::process::id())?;
    sqlx::query("INSERT INTO far_side.tb_process VALUES ($1, $2)")
        .bind(process)
        .bind(worker.id())
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    worker.run_until_signal().await?;
    Ok(())
}
