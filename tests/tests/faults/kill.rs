//! `kill -9` of a worker's process, at any point.

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use specql_tests::{process::eventually, work::Queue};

use crate::WORKER;

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_at_any_moment_lose_no_job_and_double_no_effect() {
    let queue = Queue::new().await;
    let mut random = StdRng::seed_from_u64(4);
    for _ in 0..10 {
        queue.run_many(60, "5ms").await;
        for _ in 0..4 {
            queue.pay("5ms").await;
        }
        let calls = "SELECT count(*) FROM far_side.tb_call";
        let before = queue.count(calls).await;
        let mut worker = queue.process(WORKER);
        // From before its first claim to the middle of the work.
        if random.random_bool(0.8) {
            eventually("it works", async || queue.count(calls).await > before).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
        worker.kill();
        queue.age_leases("11 seconds").await;
    }
    let last = queue.worker().start().await.unwrap();
    let standing = queue.at_rest().await;
    assert_eq!(standing.tasks, 640);
    assert!(queue.count("SELECT count(*) FROM jobs.v_job_attempt WHERE event = 'lost'").await > 0, "none was running");
    last.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_it_claims_leaves_its_jobs_to_another() {
    let queue = Queue::new().await;
    let job = queue.run("now").await;
    let mut lock = queue.database().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE jobs.tb_job_lease IN SHARE MODE").execute(&mut *lock).await.unwrap();
    let mut first = queue.process(WORKER);
    queue.until(WAITING_IN_CLAIM).await;
    first.kill();
    // Its session does not know that yet, and commits leases that nobody holds.
    lock.rollback().await.unwrap();
    queue.until("SELECT count(*) = 1 FROM jobs.tb_job_lease").await;
    queue.age_leases("11 seconds").await;
    let second = queue.worker().start().await.unwrap();
    assert_eq!(queue.outcome(job).await.attempts, 2);
    assert_eq!(queue.calls(job).await.len(), 1);
    queue.at_rest().await;
    second.shutdown().await.unwrap();
}

/// Whether a worker's claim waits for a lock.
const WAITING_IN_CLAIM: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'specql claim')";

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_during_a_callback_has_it_run_once() {
    let queue = Queue::new().await;
    let job = queue.run("now").await;
    let mut lock = queue.database().begin().await.unwrap();
    sqlx::raw_sql("SELECT FROM work.tb_task FOR UPDATE").execute(&mut *lock).await.unwrap();
    let mut first = queue.process(WORKER);
    queue
        .until(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'specql finish')",
        )
        .await;
    first.kill();
    lock.rollback().await.unwrap();
    queue.age_leases("11 seconds").await;
    let second = queue.worker().start().await.unwrap();
    assert_eq!(queue.outcome(job).await.status, "completed");
    queue.at_rest().await;
    second.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_killed_worker_go_on_within_fifteen_seconds() {
    let queue = Queue::new().await;
    let mut first = queue.process(WORKER);
    let job = queue.run("700ms").await;
    queue.called(job, 1).await;
    let second = queue.worker().start().await.unwrap();
    first.kill();
    let killed = Instant::now();
    queue.called(job, 2).await;
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(queue.outcome(job).await.status, "completed");
    queue.at_rest().await;
    second.shutdown().await.unwrap();
}

/// A job that recovery gave its attempt back would kill workers for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_its_worker_is_given_up_after_the_third() {
    let queue = Queue::new().await;
    let job = queue.run("die").await;
    for crash in 1..=3 {
        let mut worker = queue.process(WORKER);
        assert!(!worker.ended().await.success());
        assert_eq!(queue.calls(job).await.len(), crash);
        queue.age_leases("11 seconds").await;
    }
    let mut survivor = queue.process(WORKER);
    let outcome = queue.outcome(job).await;
    assert_eq!((outcome.status.as_str(), outcome.failure_class.as_deref()), ("failed", Some("poison")));
    let healthy = queue.run("now").await;
    assert_eq!(queue.outcome(healthy).await.status, "completed");
    assert!(!survivor.has_ended());
    // Its on_failure has run: it is counted there.
    assert_eq!(queue.at_rest().await.completed, 1);
}
