//! Failures and the retries that follow them.

use anyhow::Result;

use crate::support::{Queue, raised};

#[tokio::test]
async fn a_retry_waits_as_long_as_the_worker_says() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.fail(&lease, "transient_reported", Some(90_000)).await?, "retrying");
    assert_eq!(queue.state(id).await?, "pending");
    assert!(
        queue
            .scalar::<bool>("SELECT run_at BETWEEN now() + interval '80 seconds' AND now() + interval '91 seconds' FROM jobs.tb_job_scheduled")
            .await?
    );
    assert!(queue.claim(1).await?.is_empty());
    queue.pass_time().await?;
    assert_eq!(queue.claim_one().await?.attempt, 2);
    assert_eq!(queue.events(id).await?, ["claimed", "finished", "claimed"]);
    Ok(())
}

#[tokio::test]
async fn the_last_attempt_is_final_whatever_the_worker_says() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    for expected in ["retrying", "retrying", "failed"] {
        let lease = queue.claim_one().await?;
        assert_eq!(queue.fail(&lease, "transient_reported", Some(0)).await?, expected);
        queue.pass_time().await?;
    }
    assert_eq!(queue.state(id).await?, "failed/transient_reported");
    assert!(queue.claim(1).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_call_that_was_not_made_uses_no_attempt_up() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    for epoch in 1..=5 {
        let lease = queue.claim_one().await?;
        assert_eq!((lease.epoch, lease.attempt), (epoch, 1));
        assert_eq!(queue.fail_counted(&lease, "rate_limited", Some(0), false).await?, "retrying");
        queue.pass_time().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_failure_class_is_refused_with_its_name() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    let lease = queue.claim_one().await?;
    let error = queue.fail(&lease, "whatever", None).await.expect_err("no such class");
    assert!(error.to_string().contains("unknown failure class `whatever`"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_megabyte_of_error_message_is_cut() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    sqlx::query("SELECT jobs.fail($1, ARRAY[$2], ARRAY[1], ARRAY['ambiguous'], ARRAY[repeat('x', 1000000)], ARRAY[NULL::bigint], ARRAY[true], NULL)")
        .bind(queue.worker)
        .bind(lease.pk_job_run)
        .execute(queue.db.pool())
        .await?;
    let length: i32 = sqlx::query_scalar("SELECT length(error_message) FROM jobs.v_job_run WHERE id = $1")
        .bind(id)
        .fetch_one(queue.db.pool())
        .await?;
    assert_eq!(length, 8000);
    Ok(())
}

#[tokio::test]
async fn partitions_are_kept_ahead_and_jobs_without_one_are_not_refused() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("SELECT setval('jobs.tb_job_run_pk_job_run_seq', 1000000)").await?;
    let stray = queue.enqueue("charge", None).await?.0;
    queue.run("SELECT jobs.maintain()").await?;
    // Range 1 has begun in the default partition, which has become that range; 2 and 3 are made for all three tables.
    let made: Vec<String> =
        sqlx::query_scalar("SELECT suffix || ' ' || high FROM jobs.partitions() WHERE suffix <> 'p0' ORDER BY 1")
            .fetch_all(queue.db.pool())
            .await?;
    assert_eq!(made, ["p1 2000000", "p2 3000000", "p3 4000000"]);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_run_default").await?, 0);
    queue.run("SELECT setval('jobs.tb_job_run_pk_job_run_seq', 2000005)").await?;
    let next = queue.enqueue("charge", None).await?.0;
    let leases = queue.claim(10).await?;
    queue.complete(&leases).await?;
    assert_eq!((queue.state(stray).await?, queue.state(next).await?), ("completed".into(), "completed".into()));
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_run_p2").await?, 1);
    Ok(())
}

#[tokio::test]
async fn maintenance_gives_up_rather_than_queue_behind_a_lock() -> Result<()> {
    let queue = Queue::new().await?;
    let mut dump = queue.db.begin().await?;
    sqlx::query("LOCK TABLE jobs.tb_job_run_default IN ACCESS SHARE MODE").execute(&mut *dump).await?;
    tokio::time::timeout(std::time::Duration::from_secs(5), queue.run("SELECT jobs.maintain()")).await??;
    dump.rollback().await?;
    queue.run("SELECT jobs.maintain()").await?;
    assert!(queue.scalar::<bool>("SELECT to_regclass('jobs.tb_job_run_p2') IS NOT NULL").await?);
    Ok(())
}

#[tokio::test]
async fn the_role_of_a_missing_job_is_explained() -> Result<()> {
    let queue = Queue::new().await?;
    let (code, message) =
        raised(sqlx::query("SELECT jobs.retry('00000000-0000-0000-0000-000000000001')").execute(queue.db.pool()).await);
    assert_eq!((code.as_str(), message.as_str()), ("SQ404", "there is no job 00000000-0000-0000-0000-000000000001"));
    Ok(())
}
