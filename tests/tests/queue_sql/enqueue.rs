//! How jobs come into the queue.

use anyhow::Result;
use sqlx::Row;

use crate::support::{Queue, raised};

#[tokio::test]
async fn a_job_is_visible_only_after_its_transaction_commits() -> Result<()> {
    let queue = Queue::new().await?;
    let mut tx = queue.db.begin().await?;
    sqlx::query("SELECT jobs.enqueue('pay', 'charge')").execute(&mut *tx).await?;
    assert!(queue.claim(10).await?.is_empty());
    tx.commit().await?;
    assert_eq!(queue.claim(10).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_rolled_back_enqueue_leaves_nothing() -> Result<()> {
    let queue = Queue::new().await?;
    let mut tx = queue.db.begin().await?;
    sqlx::query("SELECT jobs.enqueue('pay', 'charge', '{}', 'key')").execute(&mut *tx).await?;
    tx.rollback().await?;
    assert!(!queue.enqueue("charge", Some("key")).await?.1, "the key was left behind");
    assert_eq!(queue.claim(10).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_unknown_operation_is_refused() -> Result<()> {
    let queue = Queue::new().await?;
    for sql in [
        "SELECT jobs.enqueue('pay', 'chrage')",
        "SELECT jobs.enqueue_many('pay', 'chrage', ARRAY['{}'::jsonb])",
        "INSERT INTO jobs.tb_job_run (service_name, operation) VALUES ('pay', 'charge'), ('pay', 'chrage')",
    ] {
        let (code, message) = raised(sqlx::query(sql).execute(queue.db.pool()).await);
        assert_eq!((code.as_str(), message.as_str()), ("SQ404", "unknown operation `pay.chrage`"));
    }
    assert!(queue.claim(10).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_plain_insert_queues_and_takes_the_operations_limits() -> Result<()> {
    let queue = Queue::new().await?;
    queue
        .run("INSERT INTO jobs.tb_job_run (service_name, operation, input_data) SELECT 'pay', 'charge', '{}' FROM generate_series(1, 3)")
        .await?;
    let job = sqlx::query("SELECT max_attempts, timeout_seconds, epoch FROM jobs.claim($1, $2, 10)")
        .bind(queue.worker)
        .bind(&queue.operations)
        .fetch_all(queue.db.pool())
        .await?;
    assert_eq!(job.len(), 3);
    assert_eq!((job[0].get::<i32, _>(0), job[0].get::<i32, _>(1), job[0].get::<i32, _>(2)), (3, 30, 1));
    Ok(())
}

#[tokio::test]
async fn a_plain_insert_is_never_deduplicated() -> Result<()> {
    let queue = Queue::new().await?;
    for _ in 0..2 {
        queue
            .run("INSERT INTO jobs.tb_job_run (service_name, operation, idempotency_key) VALUES ('pay', 'refund', 'k')")
            .await?;
    }
    assert_eq!(queue.claim(10).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_job_is_due_at_its_time_and_not_before() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("SELECT jobs.enqueue('pay', 'charge', _run_at => now() + interval '1 hour')").await?;
    assert_eq!(queue.scalar::<i32>("SELECT jobs.promote()").await?, 0);
    assert!(queue.claim(10).await?.is_empty());
    assert!(queue.scalar::<bool>("SELECT jobs.next_due() > now() + interval '59 minutes'").await?);
    queue.pass_time().await?;
    assert_eq!(queue.claim(10).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn ids_are_uuid_v7_in_the_order_of_time() -> Result<()> {
    let queue = Queue::new().await?;
    let first = queue.enqueue("charge", None).await?.0;
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    let second = queue.enqueue("charge", None).await?.0;
    assert_eq!((first.get_version_num(), second.get_version_num()), (7, 7));
    assert!(first < second);
    let now = chrono::Utc::now().timestamp();
    let (seconds, _) = first.get_timestamp().expect("v7 has a time").to_unix();
    assert!(now.abs_diff(i64::try_from(seconds)?) < 60, "{seconds} is not {now}");
    Ok(())
}

#[tokio::test]
async fn a_key_of_more_than_512_bytes_is_refused() -> Result<()> {
    let queue = Queue::new().await?;
    assert!(queue.enqueue("charge", Some(&"k".repeat(513))).await.is_err());
    assert!(queue.enqueue("charge", Some(&"k".repeat(512))).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn bulk_answers_in_input_order_and_finds_duplicates_within_and_without() -> Result<()> {
    let queue = Queue::new().await?;
    let earlier = queue.enqueue("charge", Some("b")).await?.0;
    let rows: Vec<(i32, uuid::Uuid, bool)> = sqlx::query_as(
        "SELECT ordinal, job_id, deduplicated FROM jobs.enqueue_many('pay', 'charge',
            ARRAY['{}', '{}', '{}', '{}', '{}']::jsonb[], ARRAY['c', 'b', NULL, 'c', 'a'])",
    )
    .fetch_all(queue.db.pool())
    .await?;
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(rows.iter().map(|row| row.2).collect::<Vec<_>>(), [false, true, false, true, false]);
    assert_eq!(rows[1].1, earlier);
    assert_eq!(rows[3].1, rows[0].1);
    assert_eq!(queue.claim(10).await?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn two_bulks_with_the_same_keys_in_opposite_order_do_not_deadlock() -> Result<()> {
    let queue = Queue::new().await?;
    let bulk = |order: i32| {
        sqlx::query_scalar::<_, bool>(
            "SELECT deduplicated FROM jobs.enqueue_many('pay', 'charge',
                (SELECT array_agg('{}'::jsonb) FROM generate_series(1, 200)),
                (SELECT array_agg('k' || n ORDER BY n * $1) FROM generate_series(1, 200) AS n))",
        )
        .bind(order)
        .fetch_all(queue.db.pool())
    };
    for _ in 0..3 {
        let (up, down) = tokio::join!(bulk(1), bulk(-1));
        assert_eq!((up?.len(), down?.len()), (200, 200));
    }
    assert_eq!(queue.claim(1000).await?.len(), 200);
    Ok(())
}
