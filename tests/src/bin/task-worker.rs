//! A worker of [`specql_tests::work`] as a process of its own, so that a test can kill, stop and misinform it. Its database is
//! `DATABASE_URL`, its far side `FAR_SIDE_URL`.

use anyhow::Context as _;
use specql_runtime::Database;
use specql_tests::work;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into()))
        .with_writer(std::io::stderr)
        .init();
    let far_side = std::env::var("FAR_SIDE_URL").context("`FAR_SIDE_URL` is not set")?.parse()?;
    let database = Database::open(&work::PROJECT).await?;
    let worker = work::builder(&database, &far_side).concurrency(20).start().await?;
    worker.run_until_signal().await?;
    Ok(())
}
