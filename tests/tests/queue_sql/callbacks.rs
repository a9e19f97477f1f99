//! Callbacks: in the completing transaction, exactly once, and never in the way of others.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use crate::support::Queue;

#[tokio::test]
async fn a_completion_and_its_callback_commit_together() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    let lease = queue.claim_one().await?;
    let mut tx = queue.db.begin().await?;
    sqlx::query("SELECT jobs.complete($1, ARRAY[$2], ARRAY[$3], ARRAY['{}'::jsonb], NULL)")
        .bind(queue.worker)
        .bind(lease.pk_job_run)
        .bind(lease.epoch)
        .execute(&mut *tx)
        .await?;
    assert_eq!((queue.state(id).await?.as_str(), queue.order(1).await?), ("running", ("new".into(), 0)));
    tx.rollback().await?;
    assert_eq!((queue.state(id).await?.as_str(), queue.order(1).await?), ("running", ("new".into(), 0)));

    assert_eq!(queue.complete(std::slice::from_ref(&lease)).await?, ["completed"]);
    assert_eq!((queue.state(id).await?.as_str(), queue.order(1).await?), ("completed", ("paid".into(), 1)));
    // The worker did not hear of the commit, and says it again.
    assert_eq!(queue.complete(&[lease]).await?, ["fenced"]);
    assert_eq!(queue.order(1).await?, ("paid".into(), 1));
    Ok(())
}

#[tokio::test]
async fn a_callback_that_raises_is_set_aside_and_the_rest_of_the_batch_completes() -> Result<()> {
    let queue = Queue::new().await?;
    let mut ids = Vec::new();
    for order in 1..=5 {
        ids.push(queue.charge(order).await?);
    }
    queue.run("UPDATE shop.tb_order SET broken = true WHERE pk_order = 3").await?;
    let leases = queue.claim(10).await?;
    assert_eq!(
        queue.complete(&leases).await?,
        ["completed", "completed", "callback_waiting", "completed", "completed"]
    );
    for (order, id) in (1..).zip(&ids) {
        let (state, paid) = if order == 3 { ("running", ("new".into(), 0)) } else { ("completed", ("paid".into(), 1)) };
        assert_eq!((queue.state(*id).await?.as_str(), queue.order(order).await?), (state, paid));
    }
    assert!(queue.claim(10).await?.is_empty(), "the call is not repeated");
    let reason: String = queue.scalar("SELECT error_message FROM jobs.v_job_run WHERE status = 'running'").await?;
    assert_eq!(reason, "the order is broken (P0001)");

    queue.run("UPDATE shop.tb_order SET broken = false").await?;
    let due =
        "SELECT run_at BETWEEN now() - interval '1 second' AND now() + interval '1 second' FROM jobs.tb_job_callback";
    assert!(queue.scalar::<bool>(due).await?);
    queue.pass_time().await?;
    assert_eq!((queue.state(ids[2]).await?.as_str(), queue.order(3).await?), ("completed", ("paid".into(), 1)));
    assert_eq!(queue.events(ids[2]).await?, ["claimed", "finished", "callback_raised"]);
    Ok(())
}

#[tokio::test]
async fn a_callback_that_never_succeeds_ends_as_callback_failed_with_key_and_output_kept() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    queue.run("UPDATE shop.tb_order SET broken = true").await?;
    let leases = queue.claim(1).await?;
    queue.complete_with(&leases, json!({"charge": "ch_1"})).await?;
    for _ in 1..=8 {
        queue.pass_time().await?;
        assert_eq!(queue.state(id).await?, "running");
    }
    queue.run("UPDATE jobs.tb_job_callback SET tries = 152").await?;
    queue.pass_time().await?;
    assert_eq!(queue.state(id).await?, "running");
    queue.pass_time().await?;
    assert_eq!(queue.state(id).await?, "failed/callback_failed");
    let (message, output): (String, serde_json::Value) =
        sqlx::query_as("SELECT error_message, output_data FROM jobs.v_job_run").fetch_one(queue.db.pool()).await?;
    assert_eq!(message, "the on_success callback failed: the order is broken (P0001)");
    assert_eq!(output, json!({"charge": "ch_1"}));
    assert_eq!(queue.order(1).await?, ("new".into(), 0), "on_failure must not run: the call did happen");
    assert_eq!(queue.charge(1).await?, id, "the key is kept");

    // The way on: repeat the callback, not the call.
    queue.run("UPDATE shop.tb_order SET broken = false").await?;
    queue.run("SELECT jobs.retry(id) FROM jobs.v_job_run").await?;
    assert!(queue.claim(1).await?.is_empty());
    queue.pass_time().await?;
    assert_eq!((queue.state(id).await?.as_str(), queue.order(1).await?), ("completed", ("paid".into(), 1)));
    assert_ne!(queue.charge(1).await?, id, "a completed in_flight job gives its key back");
    Ok(())
}

#[tokio::test]
async fn a_final_failure_runs_on_failure_with_the_error() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.fail(&lease, "transient_reported", Some(0)).await?, "retrying");
    assert_eq!(queue.order(1).await?.0, "new", "a retry is no failure yet");
    queue.pass_time().await?;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.fail(&lease, "permanent_reported", None).await?, "failed");
    assert_eq!(queue.order(1).await?.0, "permanent_reported after 2: declined");
    assert_eq!(queue.state(id).await?, "failed/permanent_reported");
    Ok(())
}

#[tokio::test]
async fn an_on_failure_that_raises_is_retried_and_the_first_failure_is_not_forgotten() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    queue.run("UPDATE shop.tb_order SET broken = true").await?;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.fail(&lease, "permanent_reported", None).await?, "callback_waiting");
    assert_eq!(queue.state(id).await?, "running");
    queue.run("UPDATE shop.tb_order SET broken = false").await?;
    queue.pass_time().await?;
    assert_eq!(queue.state(id).await?, "failed/permanent_reported");
    assert_eq!(queue.order(1).await?.0, "permanent_reported after 1: declined");
    assert_ne!(queue.charge(1).await?, id, "nothing happened, so the key is free");
    Ok(())
}

#[tokio::test]
async fn a_locked_row_delays_its_own_job_by_half_a_second_and_no_more() -> Result<()> {
    let queue = Queue::new().await?;
    let blocked = queue.charge(1).await?;
    let free = queue.charge(2).await?;
    let leases = queue.claim(10).await?;
    let mut user = queue.db.begin().await?;
    sqlx::query("SELECT FROM shop.tb_order WHERE pk_order = 1 FOR UPDATE").execute(&mut *user).await?;
    let started = Instant::now();
    assert_eq!(queue.complete(&leases).await?, ["callback_waiting", "completed"]);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    user.rollback().await?;
    assert_eq!(queue.state(free).await?, "completed");
    queue.pass_time().await?;
    assert_eq!((queue.state(blocked).await?.as_str(), queue.order(1).await?), ("completed", ("paid".into(), 1)));
    Ok(())
}

#[tokio::test]
async fn a_deferred_constraint_fails_its_own_job_and_not_the_commit_of_the_batch() -> Result<()> {
    let queue = Queue::new().await?;
    queue.charge(1).await?;
    queue.charge(2).await?;
    let leases = queue.claim(10).await?;
    // Order 1 gets a parent that does not exist, which PostgreSQL would notice at COMMIT.
    assert_eq!(queue.complete_with(&leases[..1], json!({"parent": 99})).await?, ["callback_waiting"]);
    assert_eq!(queue.complete_with(&leases[1..], json!({"parent": 1})).await?, ["completed"]);
    assert_eq!(queue.order(1).await?, ("new".into(), 0));
    Ok(())
}

#[tokio::test]
async fn two_workers_never_run_the_same_waiting_callback() -> Result<()> {
    let queue = Queue::new().await?;
    for order in 1..=20 {
        queue.charge(order).await?;
    }
    queue.run("UPDATE shop.tb_order SET broken = true").await?;
    let leases = queue.claim(20).await?;
    assert!(queue.complete(&leases).await?.iter().all(|result| result == "callback_waiting"));
    queue.run("UPDATE shop.tb_order SET broken = false; UPDATE jobs.tb_job_callback SET run_at = now()").await?;
    let drain = || queue.scalar::<i32>("SELECT jobs.run_callbacks(7) + jobs.run_callbacks(7)");
    let (a, b, c) = tokio::join!(drain(), drain(), drain());
    assert!(a? + b? + c? >= 14);
    queue.pass_time().await?;
    assert_eq!(queue.scalar::<i64>("SELECT sum(paid) FROM shop.tb_order").await?, 20);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM shop.tb_order WHERE paid = 1").await?, 20);
    Ok(())
}

#[tokio::test]
async fn a_callback_is_tried_for_a_day_ten_minutes_apart() -> Result<()> {
    let queue = Queue::new().await?;
    let (tries, hours, longest): (i64, f64, f64) = sqlx::query_as(
        "SELECT count(w), extract(epoch FROM sum(w))::double precision / 3600, extract(epoch FROM max(w))::double precision
        FROM generate_series(1, 1000) AS n CROSS JOIN LATERAL jobs.callback_retry_wait(n) AS w",
    )
    .fetch_one(queue.db.pool())
    .await?;
    assert!((24.0..25.0).contains(&hours) && longest <= 600.0, "{tries} tries in {hours} hours, {longest} s apart");
    Ok(())
}
