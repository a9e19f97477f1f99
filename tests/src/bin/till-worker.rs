//! A worker of the money tests' project as a process of its own, so that a test can kill it. Its database is `DATABASE_URL`, its
//! bank `BANK_URL`.

use specql_runtime::{Database, Worker};

specql_macros::specql!("../../tests/money/project");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let db = Database::open(&PROJECT).await?;
    let worker = Worker::builder(&db).environment("dev").start().await?;
    worker.run_until_signal().await?;
    Ok(())
}
