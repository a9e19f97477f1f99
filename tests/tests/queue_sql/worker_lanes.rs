//! Operations that not every live worker serves have lanes of their own.

use std::time::Duration;

use anyhow::Result;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::support::Queue;

/// A worker that has registered.
async fn worker(queue: &Queue) -> Result<Uuid> {
    let worker = Uuid::new_v4();
    sqlx::query("SELECT jobs.register_worker($1, 'test', '1', '{}')").bind(worker).execute(queue.db.pool()).await?;
    Ok(worker)
}

async fn claim(
    connection: impl sqlx::PgExecutor<'_>,
    worker: Uuid,
    operations: &[i32],
    limit: i32,
) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar("SELECT operation_code FROM jobs.claim($1, $2, $3, true)")
        .bind(worker)
        .bind(operations)
        .bind(limit)
        .fetch_all(connection)
        .await?)
}

/// How many ready jobs of an operation stand in the shared lane, and in its own.
async fn stand(queue: &Queue, code: i32) -> Result<(i64, i64)> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE lane = 0), count(*) FILTER (WHERE lane = $1::bigint << 43)
        FROM jobs.tb_job_ready WHERE operation_code = $1",
    )
    .bind(code)
    .fetch_one(queue.db.pool())
    .await?)
}

const CHARGES: &str = "SELECT jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[25]))";
const TRANSFERS: &str = "SELECT jobs.enqueue_many('pay', 'transfer', array_fill('{}'::jsonb, ARRAY[25]))";

#[tokio::test]
async fn what_a_live_worker_does_not_serve_moves_to_a_lane_of_its_own_in_batches() -> Result<()> {
    let queue = Queue::new().await?;
    let [charge, refund, transfer] = queue.operations[..] else { anyhow::bail!("three operations") };
    let (both, one) = (worker(&queue).await?, worker(&queue).await?);
    queue.run(TRANSFERS).await?;
    assert!(claim(queue.db.pool(), both, &[charge, refund], 10).await?.is_empty());
    // It says so by what it claims; the claim itself moves nothing.
    assert_eq!(stand(&queue, transfer).await?, (25, 0));
    for (moved, rest) in [(10, 15), (10, 5), (5, 0), (0, 0)] {
        assert_eq!(queue.scalar::<i32>("SELECT jobs.move_to_lanes(10)").await?, moved);
        assert_eq!(stand(&queue, transfer).await?, (rest, 25 - rest));
    }
    queue.run(TRANSFERS).await?;
    assert_eq!(stand(&queue, transfer).await?, (0, 50), "new ones stand there from the start");
    queue.run(CHARGES).await?;
    assert_eq!(stand(&queue, charge).await?, (25, 0), "what all workers serve stays in one lane");
    assert_eq!(claim(queue.db.pool(), one, &[charge, transfer, refund], 100).await?.len(), 75);
    Ok(())
}

#[tokio::test]
async fn jobs_that_have_not_moved_yet_are_claimed_by_who_serves_them() -> Result<()> {
    let queue = Queue::new().await?;
    let [charge, _, transfer] = queue.operations[..] else { anyhow::bail!("three operations") };
    queue.run(TRANSFERS).await?;
    let (narrow, wide) = (worker(&queue).await?, worker(&queue).await?);
    claim(queue.db.pool(), narrow, &[charge], 10).await?;
    assert_eq!(queue.scalar::<i32>("SELECT jobs.move_to_lanes(10)").await?, 10);
    assert_eq!(claim(queue.db.pool(), wide, &[charge, transfer], 100).await?.len(), 25);
    Ok(())
}

#[tokio::test]
async fn the_lane_is_given_up_when_all_workers_serve_it_and_what_stands_there_is_claimed() -> Result<()> {
    let queue = Queue::new().await?;
    let [charge, refund, transfer] = queue.operations[..] else { anyhow::bail!("three operations") };
    let (narrow, wide) = (worker(&queue).await?, worker(&queue).await?);
    claim(queue.db.pool(), narrow, &[charge], 10).await?;
    claim(queue.db.pool(), wide, &[charge, transfer, refund], 10).await?;
    queue.run(TRANSFERS).await?;
    assert_eq!(stand(&queue, transfer).await?, (0, 25));
    // One that was not heard of for a moment may come back; one that is gone for a minute has no say.
    queue.run("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '30 seconds'; SELECT jobs.maintain()").await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_operation WHERE own_lane").await?, 2);
    sqlx::query("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '2 minutes' WHERE id = $1")
        .bind(narrow)
        .execute(queue.db.pool())
        .await?;
    queue.run("SELECT jobs.maintain()").await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_operation WHERE own_lane").await?, 0);
    queue.run(TRANSFERS).await?;
    assert_eq!(stand(&queue, transfer).await?, (25, 25));
    assert_eq!(claim(queue.db.pool(), wide, &[charge, transfer, refund], 100).await?.len(), 50);
    Ok(())
}

/// Were such jobs claimed from the shared lane, no pause and no limit would be asked.
#[tokio::test]
async fn what_is_paused_is_not_claimed_from_where_it_stands_for_the_sake_of_others() -> Result<()> {
    let queue = Queue::new().await?;
    let [charge, _, transfer] = queue.operations[..] else { anyhow::bail!("three operations") };
    queue.run(TRANSFERS).await?;
    let (narrow, wide) = (worker(&queue).await?, worker(&queue).await?);
    claim(queue.db.pool(), narrow, &[charge], 10).await?;
    // Somebody keeps a job from being moved.
    let mut holding = queue.db.begin().await?;
    sqlx::query("SELECT FROM jobs.tb_job_ready LIMIT 5 FOR UPDATE").execute(&mut *holding).await?;
    queue.run("SELECT jobs.pause('pay', 'transfer')").await?;
    holding.rollback().await?;
    assert_eq!(stand(&queue, transfer).await?, (5, 20));
    assert_eq!(claim(queue.db.pool(), wide, &[charge, transfer], 100).await?.len(), 0);
    queue.run("SELECT jobs.maintain()").await?;
    assert_eq!(stand(&queue, transfer).await?, (0, 25));
    queue.run("SELECT jobs.resume('pay', 'transfer')").await?;
    assert_eq!(claim(queue.db.pool(), wide, &[charge, transfer], 100).await?.len(), 25);
    Ok(())
}

/// 300,000 such jobs made each claim cost 160 ms.
#[tokio::test]
async fn a_claim_reads_nothing_of_what_the_worker_does_not_serve() -> Result<()> {
    let queue = Queue::new().await?;
    let [charge, ..] = queue.operations[..] else { anyhow::bail!("three operations") };
    queue.run("SELECT jobs.enqueue_many('pay', 'transfer', array_fill('{}'::jsonb, ARRAY[3000]))").await?;
    let worker = worker(&queue).await?;
    claim(queue.db.pool(), worker, &[charge], 10).await?;
    while queue.scalar::<i32>("SELECT jobs.move_to_lanes()").await? > 0 {}
    queue.run("SELECT jobs.enqueue('pay', 'charge')").await?;
    queue.run("VACUUM jobs.tb_job_ready").await?;
    // A session that has read nothing yet.
    let mut session = PgConnection::connect_with(&queue.db.pool().connect_options()).await?;
    sqlx::query("BEGIN").execute(&mut session).await?;
    assert_eq!(claim(&mut session, worker, &[charge], 10).await?, [charge]);
    let read: i64 = sqlx::query_scalar(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'jobs.tb_job_ready'::regclass",
    )
    .fetch_one(&mut session)
    .await?;
    assert!(read < 50, "{read} ready jobs were read for one");
    sqlx::query("COMMIT").execute(&mut session).await?;
    Ok(())
}

#[tokio::test]
async fn a_workers_first_claim_waits_for_nobody() -> Result<()> {
    let queue = Queue::new().await?;
    let [charge, _, transfer] = queue.operations[..] else { anyhow::bail!("three operations") };
    let worker = worker(&queue).await?;
    queue.run(CHARGES).await?;
    let mut holding = queue.db.begin().await?;
    for rows in ["SELECT FROM jobs.tb_operation FOR UPDATE", "SELECT FROM jobs.tb_worker FOR UPDATE"] {
        sqlx::query(rows).execute(&mut *holding).await?;
        let mut session = queue.db.pool().acquire().await?;
        let operations = [charge];
        let first = claim(&mut *session, worker, &operations, 10);
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), first).await??.len(), 10);
    }
    holding.rollback().await?;
    // It is made up for.
    queue.run("SELECT jobs.maintain()").await?;
    queue.run(TRANSFERS).await?;
    assert_eq!(stand(&queue, transfer).await?, (0, 25));
    Ok(())
}

/// Whoever takes the lane away does not see the pause of a transaction that is under way.
#[tokio::test]
async fn a_pause_that_is_made_while_a_limit_is_lifted_keeps_the_lane() -> Result<()> {
    let registered = |limit: &str| {
        format!(
            "[{{\"service\": \"narrow\", \"operation\": \"go\", \"timeout_seconds\": 30, \"max_attempts\": 3{limit}}}]"
        )
    };
    let register = "SELECT jobs.register_operations($1::jsonb)";
    let queue = Queue::new().await?;
    sqlx::query(register).bind(registered(", \"concurrency\": 5")).execute(queue.db.pool()).await?;
    let mut pausing = queue.db.begin().await?;
    sqlx::query("SELECT jobs.pause('narrow')").execute(&mut *pausing).await?;
    let lifting = tokio::spawn({
        let pool = queue.db.pool().clone();
        async move { sqlx::query(register).bind(registered("")).execute(&pool).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    pausing.commit().await?;
    lifting.await??;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_operation WHERE own_lane").await?, 1);
    queue.run("SELECT jobs.enqueue('narrow', 'go')").await?;
    let claim = "SELECT count(*) FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 10)";
    assert_eq!(sqlx::query_scalar::<_, i64>(claim).bind(queue.worker).fetch_one(queue.db.pool()).await?, 0);
    Ok(())
}
