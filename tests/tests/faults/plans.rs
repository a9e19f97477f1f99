//! What large and uneven queues do to the queue's statements.

use specql_tests::work::Queue;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

/// The operations' codes.
async fn operations(queue: &Queue) -> Vec<i32> {
    sqlx::query_scalar("SELECT code FROM jobs.tb_operation").fetch_all(queue.pool()).await.unwrap()
}

async fn enqueue(queue: &Queue, jobs: i32) {
    let sql = "SELECT count(*) FROM jobs.enqueue_many('work', 'run', array_fill('{\"how\": \"now\"}'::jsonb, ARRAY[$1]), _unique => 'never')";
    sqlx::query(sql).bind(jobs).execute(queue.pool()).await.unwrap();
}

async fn claim(session: &mut PgConnection, worker: Uuid, operations: &[i32], limit: i32) -> Vec<(i64, i32)> {
    sqlx::query_as("SELECT pk_job_run, epoch FROM jobs.claim($1, $2, $3, true)")
        .bind(worker)
        .bind(operations)
        .bind(limit)
        .fetch_all(session)
        .await
        .unwrap()
}

/// What the planner believes of the queue: nothing, that it is empty, that it is full.
const BELIEFS: [&str; 3] = ["SELECT", "VACUUM ANALYZE jobs.tb_job_ready", "ANALYZE jobs.tb_job_ready"];

/// A subquery with LIMIT that the planner runs once for each row takes the whole queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_takes_no_more_than_its_limit_whatever_the_planner_believes() {
    let queue = Queue::new().await;
    let operations = operations(&queue).await;
    for (round, belief) in BELIEFS.into_iter().enumerate() {
        if round > 1 {
            enqueue(&queue, 2_000).await;
        }
        queue.execute(belief).await;
        if round < 2 {
            enqueue(&queue, 2_000).await;
        }
        let mut session = PgConnection::connect_with(&queue.options()).await.unwrap();
        for limit in [1, 7, 100] {
            assert_eq!(claim(&mut session, Uuid::new_v4(), &operations, limit).await.len(), limit as usize, "{belief}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_jobs_of_one_operation_do_not_change_what_a_claim_reads() {
    let queue = Queue::new().await;
    let operations = operations(&queue).await;
    let mut session = PgConnection::connect_with(&queue.options()).await.unwrap();
    enqueue(&queue, 100).await;
    let (mut read, mut before) = (Vec::new(), 0);
    for more in [0, 9_000, 2_000, 10_000] {
        if more > 0 {
            enqueue(&queue, more).await;
        }
        queue.execute("ANALYZE jobs.tb_job_ready").await;
        let mut tx = session.begin().await.unwrap();
        assert_eq!(claim(&mut tx, Uuid::new_v4(), &operations, 10).await.len(), 10);
        let rows: i64 = sqlx::query_scalar(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
            WHERE relname LIKE 'tb_job_ready%' OR relname LIKE 'tb_job_run%'",
        )
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        tx.rollback().await.unwrap();
        // The session's count goes on.
        read.push(rows - before);
        before = rows;
    }
    assert!(read.iter().all(|rows| *rows <= 40), "rows read by claims of ten jobs: {read:?}");
}

/// Rescue takes a page at a time. The page is one of lost leases, not of old ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_jobs_does_not_hide_the_lost_ones_behind_it() {
    let queue = Queue::new().await;
    let operations = operations(&queue).await;
    let mut session = PgConnection::connect_with(&queue.options()).await.unwrap();
    let (alive, dead) = (Uuid::new_v4(), Uuid::new_v4());
    enqueue(&queue, 1_500).await;
    let long = claim(&mut session, alive, &operations, 1_400).await;
    let lost = claim(&mut session, dead, &operations, 100).await;
    assert_eq!((long.len(), lost.len()), (1_400, 100));
    queue.execute("UPDATE jobs.tb_job_lease SET claimed_at = claimed_at - interval '2 hours', renewed_at = coalesce(renewed_at, claimed_at) - interval '1 hour'").await;
    let (pks, epochs): (Vec<i64>, Vec<i32>) = long.into_iter().unzip();
    sqlx::query("SELECT count(*) FROM jobs.heartbeat($1, $2, $3)")
        .bind(alive)
        .bind(pks)
        .bind(epochs)
        .execute(&mut session)
        .await
        .unwrap();
    assert_eq!(queue.count("SELECT jobs.rescue()::bigint").await, 100);
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 1_400);
}
