//! Workers that die.

use anyhow::Result;

use crate::support::Queue;

#[tokio::test]
async fn a_lease_is_rescued_ten_seconds_after_its_last_sign_of_life() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    queue.claim_one().await?;
    queue.run("UPDATE jobs.tb_job_lease SET renewed_at = now() - interval '9 seconds'").await?;
    assert_eq!(queue.scalar::<i32>("SELECT jobs.rescue()").await?, 0);
    assert_eq!(queue.crash().await?, 1);
    assert_eq!(queue.state(id).await?, "pending");
    let again = queue.claim_one().await?;
    assert_eq!((again.id, again.epoch, again.attempt), (id, 2, 2), "the lost attempt counts");
    assert_eq!(queue.events(id).await?, ["claimed", "lost", "claimed"]);
    Ok(())
}

#[tokio::test]
async fn a_long_job_with_a_living_worker_is_left_alone() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    let lease = queue.claim_one().await?;
    queue.run("UPDATE jobs.tb_job_lease SET claimed_at = now() - interval '1 hour', renewed_at = now() - interval '20 seconds'").await?;
    queue.heartbeat(std::slice::from_ref(&lease)).await?;
    assert_eq!(queue.scalar::<i32>("SELECT jobs.rescue()").await?, 0);
    assert_eq!(queue.complete(&[lease]).await?, ["completed"]);
    Ok(())
}

#[tokio::test]
async fn a_finished_job_is_never_rescued() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    assert_eq!(queue.crash().await?, 0);
    assert_eq!(queue.state(id).await?, "completed");
    Ok(())
}

#[tokio::test]
async fn the_third_crash_is_poison_and_runs_on_failure() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    for crash in 1..=3 {
        queue.claim_one().await?;
        assert_eq!(queue.crash().await?, 1);
        assert_eq!(queue.state(id).await?, if crash < 3 { "pending" } else { "failed/poison" });
    }
    assert_eq!(queue.order(1).await?.0, "poison after 3: the worker was lost (3 of 3 times)");
    assert!(queue.claim(1).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn crashes_count_apart_from_attempts() -> Result<()> {
    let queue = Queue::new().await?;
    // Ten attempts are allowed, and still the third crash ends it.
    let id = queue.scalar("SELECT job_id FROM jobs.enqueue('pay', 'charge', _max_attempts => 10)").await?;
    for _ in 0..2 {
        queue.claim_one().await?;
        queue.crash().await?;
        let lease = queue.claim_one().await?;
        queue.fail(&lease, "transient_reported", Some(0)).await?;
        queue.pass_time().await?;
    }
    queue.claim_one().await?;
    queue.crash().await?;
    assert_eq!(queue.state(id).await?, "failed/poison");
    Ok(())
}

#[tokio::test]
async fn a_call_that_may_not_be_repeated_is_not() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("transfer", Some("k")).await?;
    queue.claim_one().await?;
    queue.crash().await?;
    assert_eq!(queue.state(id).await?, "failed/ambiguous");
    assert_eq!(queue.enqueue("transfer", Some("k")).await?, (id, true), "money may have moved: the key stays");
    Ok(())
}

#[tokio::test]
async fn a_completion_under_way_is_not_rescued_from() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    let lease = queue.claim_one().await?;
    queue.run("UPDATE jobs.tb_job_lease SET renewed_at = now() - interval '1 minute'").await?;
    let mut tx = queue.db.begin().await?;
    sqlx::query("SELECT jobs.complete($1, ARRAY[$2], ARRAY[$3], ARRAY['{}'::jsonb], NULL)")
        .bind(queue.worker)
        .bind(lease.pk_job_run)
        .bind(lease.epoch)
        .execute(&mut *tx)
        .await?;
    assert_eq!(queue.scalar::<i32>("SELECT jobs.rescue()").await?, 0);
    tx.commit().await?;
    assert_eq!(queue.state(lease.id).await?, "completed");
    Ok(())
}

#[tokio::test]
async fn a_worker_whose_row_was_cleared_is_listed_again_when_it_returns() -> Result<()> {
    let queue = Queue::new().await?;
    queue.heartbeat(&[]).await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_worker WHERE alive").await?, 1);
    queue.run("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '2 days'; SELECT jobs.maintain()").await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_worker").await?, 0);
    queue.heartbeat(&[]).await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_worker WHERE alive").await?, 1);
    Ok(())
}
