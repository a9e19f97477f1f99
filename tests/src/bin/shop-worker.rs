//! A worker of the shop as a process of its own, so that a test can kill it. Its database is `DATABASE_URL`, its payment service
//! `STRIPE_BASE_URL`.

use specql_runtime::{Database, Worker};

specql_macros::specql!("../../../examples/shop");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let db = Database::open(&PROJECT).await?;
    let worker = Worker::builder(&db).environment("dev").start().await?;
    worker.run_until_signal().await?;
    Ok(())
}
