//! What was put off: it uses no attempt up, is counted apart, and ends by time.

use anyhow::Result;
use uuid::Uuid;

use crate::support::{Lease, Queue};

/// How often in a row the job was put off, as the claim said.
async fn claim_put_off(queue: &Queue) -> Result<(Lease, i32)> {
    let (pk_job_run, epoch, attempt, id, put_off): (i64, i32, i32, Uuid, i32) =
        sqlx::query_as("SELECT pk_job_run, epoch, attempt, id, put_off FROM jobs.claim($1, $2, 1, true)")
            .bind(queue.worker)
            .bind(&queue.operations)
            .fetch_one(queue.db.pool())
            .await?;
    Ok((Lease { pk_job_run, epoch, attempt, id }, put_off))
}

/// Puts the job off that is ready, and lets its wait pass.
async fn put_off(queue: &Queue, class: &str) -> Result<(i32, i32)> {
    let (lease, before) = claim_put_off(queue).await?;
    assert_eq!(queue.fail_counted(&lease, class, Some(60_000), false).await?, "retrying");
    queue.pass_time().await?;
    Ok((lease.attempt, before))
}

#[tokio::test]
async fn a_claim_says_how_often_in_a_row_the_job_was_put_off() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", None).await?;
    for expected in 0..5 {
        assert_eq!(put_off(&queue, "not_started").await?, (1, expected));
    }
    // Giving it back and dying with it are no tries of the service.
    let (lease, before) = claim_put_off(&queue).await?;
    assert_eq!(before, 5);
    let release = "SELECT jobs.release($1, ARRAY[$2], ARRAY[$3])";
    sqlx::query(release).bind(queue.worker).bind(lease.pk_job_run).bind(lease.epoch).execute(queue.db.pool()).await?;
    assert_eq!(claim_put_off(&queue).await?.1, 5);
    queue.crash().await?;
    // A call that was made starts the count anew.
    let (lease, before) = claim_put_off(&queue).await?;
    assert_eq!((lease.attempt, before), (2, 0));
    assert_eq!(queue.fail_counted(&lease, "no_capacity", Some(60_000), false).await?, "retrying");
    queue.pass_time().await?;
    let (lease, before) = claim_put_off(&queue).await?;
    assert_eq!((lease.attempt, before), (2, 1));
    assert_eq!(queue.fail(&lease, "transient_reported", Some(60_000)).await?, "retrying");
    queue.pass_time().await?;
    assert_eq!(claim_put_off(&queue).await?.1, 0);
    assert_eq!(queue.state(id).await?, "running");
    Ok(())
}

#[tokio::test]
async fn what_is_put_off_for_too_long_since_its_first_try_has_failed() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    for _ in 0..4 {
        put_off(&queue, "not_started").await?;
    }
    queue.run("UPDATE jobs.tb_job_ready SET first_tried_at = now() - interval '23 hours 58 minutes'").await?;
    put_off(&queue, "rate_limited").await?;
    // Not only when the time is over: also when the next try would come after it.
    queue
        .run("UPDATE jobs.tb_job_ready SET first_tried_at = now() - interval '23 hours 59 minutes 30 seconds'")
        .await?;
    let (lease, _) = claim_put_off(&queue).await?;
    assert_eq!(queue.fail_counted(&lease, "not_started", Some(60_000), false).await?, "failed");
    assert_eq!(queue.state(id).await?, "failed/not_started");
    let (attempts, message): (i32, String) =
        sqlx::query_as("SELECT attempts, error_message FROM jobs.tb_job_outcome").fetch_one(queue.db.pool()).await?;
    assert_eq!(attempts, 0);
    assert_eq!(
        message,
        "declined; given up, for the next try would come more than 24:00:00 after the first (`give_up_after`)"
    );
    // Nothing happened: another job may do it.
    assert!(!queue.enqueue("charge", Some("k")).await?.1);
    Ok(())
}

#[tokio::test]
async fn the_operations_time_stands_behind_the_jobs_own() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("UPDATE jobs.tb_operation SET give_up_seconds = 100").await?;
    for (own, tried, expected) in
        [(None, 30, "retrying"), (None, 50, "failed"), (Some(200), 130, "retrying"), (Some(70), 30, "failed")]
    {
        let sql =
            "SELECT job_id FROM jobs.enqueue_step('pay', 'charge', '{}', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL,
            NULL, NULL, NULL, NULL, NULL, NULL, _give_up_seconds => $1)";
        sqlx::query(sql).bind(own).execute(queue.db.pool()).await?;
        let (lease, _) = claim_put_off(&queue).await?;
        sqlx::query("UPDATE jobs.tb_job_lease SET first_tried_at = now() - make_interval(secs => $1)")
            .bind(tried)
            .execute(queue.db.pool())
            .await?;
        let result = queue.fail_counted(&lease, "no_capacity", Some(60_000), false).await?;
        assert_eq!(result, expected, "{own:?} {tried}");
    }
    Ok(())
}

#[tokio::test]
async fn time_ends_no_job_that_nobody_could_claim_and_none_that_has_attempts_or_is_handed_over() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", None).await?;
    queue.run("UPDATE jobs.tb_job_run SET created_at = now() - interval '30 days'").await?;
    assert_eq!(put_off(&queue, "not_started").await?, (1, 0));
    queue.run("UPDATE jobs.tb_job_ready SET first_tried_at = now() - interval '30 days'").await?;
    let (lease, _) = claim_put_off(&queue).await?;
    assert_eq!(queue.fail(&lease, "transient_reported", Some(60_000)).await?, "retrying");
    queue.pass_time().await?;
    // A worker that stops gives a call back at once.
    let (lease, _) = claim_put_off(&queue).await?;
    assert_eq!(queue.fail_counted(&lease, "ambiguous", Some(0), false).await?, "retrying");
    queue.pass_time().await?;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.complete(&[lease]).await?, ["completed"]);
    assert_eq!(queue.state(id).await?, "completed");
    Ok(())
}

#[tokio::test]
async fn a_retried_job_is_tried_anew_for_its_whole_time() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", None).await?;
    put_off(&queue, "not_started").await?;
    queue.run("UPDATE jobs.tb_job_ready SET first_tried_at = now() - interval '2 days'").await?;
    let (lease, _) = claim_put_off(&queue).await?;
    assert_eq!(queue.fail_counted(&lease, "not_started", Some(60_000), false).await?, "failed");
    sqlx::query("SELECT jobs.retry($1)").bind(id).execute(queue.db.pool()).await?;
    assert_eq!(put_off(&queue, "not_started").await?, (1, 0));
    assert_eq!(put_off(&queue, "not_started").await?, (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_carried_out_by_hand_keeps_its_count() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", None).await?;
    put_off(&queue, "not_started").await?;
    sqlx::query("SELECT jobs.mark_job_started($1)").bind(id).execute(queue.db.pool()).await?;
    let kept: bool = queue.scalar("SELECT put_off = 1 AND first_tried_at IS NOT NULL FROM jobs.tb_job_lease").await?;
    assert!(kept);
    Ok(())
}
