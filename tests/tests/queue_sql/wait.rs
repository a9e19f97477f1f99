//! Waiting for a job, and being told of its end.

use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::PgListener;

use crate::support::{Queue, raised};

#[tokio::test]
async fn wait_returns_when_the_job_is_done() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let waiting = sqlx::query_scalar::<_, String>("SELECT jobs.wait($1)").bind(id).fetch_one(queue.db.pool());
    let work = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let lease = queue.claim_one().await?;
        queue.complete(&[lease]).await
    };
    let (status, worked) = tokio::join!(waiting, work);
    worked?;
    assert_eq!(status?, "completed");
    Ok(())
}

#[tokio::test]
async fn wait_gives_up_after_its_timeout_with_the_status_so_far() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let status: String =
        sqlx::query_scalar("SELECT jobs.wait($1, '50 milliseconds')").bind(id).fetch_one(queue.db.pool()).await?;
    assert_eq!(status, "pending");
    Ok(())
}

#[tokio::test]
async fn wait_refuses_at_once_what_could_never_end() -> Result<()> {
    let queue = Queue::new().await?;
    // The job of one's own transaction, also when a subtransaction made it.
    for savepoint in [false, true] {
        let mut tx = queue.db.begin().await?;
        if savepoint {
            sqlx::query("SAVEPOINT s").execute(&mut *tx).await?;
        }
        let id: uuid::Uuid =
            sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('pay', 'charge')").fetch_one(&mut *tx).await?;
        let (code, message) = raised(sqlx::query("SELECT jobs.wait($1)").bind(id).execute(&mut *tx).await);
        assert_eq!(code, "SQ409");
        assert!(message.contains("belongs to this transaction"), "{message}");
        tx.rollback().await?;
    }
    let id = queue.enqueue("charge", None).await?.0;
    let mut tx = queue.db.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
    let (code, message) = raised(sqlx::query("SELECT jobs.wait($1)").bind(id).execute(&mut *tx).await);
    assert_eq!((code.as_str(), message.as_str()), ("SQ409", "jobs.wait sees no progress under REPEATABLE READ"));
    tx.rollback().await?;
    assert_eq!(raised(sqlx::query("SELECT jobs.wait(gen_random_uuid())").execute(queue.db.pool()).await).0, "SQ404");
    Ok(())
}

#[tokio::test]
async fn only_a_watched_job_announces_its_end() -> Result<()> {
    let queue = Queue::new().await?;
    let mut listener = PgListener::connect_with(queue.db.pool()).await?;
    listener.listen("jobs_done").await?;
    queue.enqueue("charge", None).await?;
    let watched = queue.charge(1).await?;
    let status: String = sqlx::query_scalar("SELECT jobs.watch($1)").bind(watched).fetch_one(queue.db.pool()).await?;
    assert_eq!(status, "pending");
    let leases = queue.claim(10).await?;
    queue.complete(&leases).await?;
    let heard = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await??;
    assert_eq!(heard.payload(), watched.to_string());
    assert!(tokio::time::timeout(Duration::from_millis(100), listener.recv()).await.is_err());
    assert_eq!(
        sqlx::query_scalar::<_, String>("SELECT jobs.watch($1)").bind(watched).fetch_one(queue.db.pool()).await?,
        "completed"
    );
    Ok(())
}

#[tokio::test]
async fn a_new_job_wakes_and_held_gates_do_not_block() -> Result<()> {
    let queue = Queue::new().await?;
    let mut listener = PgListener::connect_with(queue.db.pool()).await?;
    listener.listen("jobs_ready").await?;
    queue.enqueue("charge", None).await?;
    tokio::time::timeout(Duration::from_secs(5), listener.recv()).await??;

    // A transaction that holds the gates, and takes its time: others neither wait nor notify.
    let mut slow = queue.db.begin().await?;
    sqlx::query(
        "SELECT jobs.enqueue('pay', 'charge'), (
            SELECT count(pg_try_advisory_xact_lock(1399869772, (-1 - (slot + n) % 1000000000)::integer))
            FROM CAST(extract(epoch FROM clock_timestamp()) * 100 AS bigint) AS slot CROSS JOIN generate_series(0, 3000) AS n)",
    )
    .execute(&mut *slow)
    .await?;
    tokio::time::timeout(Duration::from_secs(5), queue.enqueue("charge", None)).await??;
    assert!(tokio::time::timeout(Duration::from_millis(100), listener.recv()).await.is_err());
    slow.rollback().await?;
    assert_eq!(queue.claim(10).await?.len(), 2, "polling finds what was not announced");
    Ok(())
}
