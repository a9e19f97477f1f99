//! While a new version is rolled out no job of it is lost to a worker that does not know it yet.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;

use crate::project::{Json, NEW, OLD, PLAIN, Queue, Send, mailer};

/// Whether any worker has put a job off.
const TRIED: &str =
    "SELECT EXISTS (SELECT FROM jobs.v_job_attempt WHERE event = 'finished' AND failure_class = 'no_capacity')";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_newer_version_waits_for_a_worker_of_it() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, PLAIN)), queue.version(&mailer(NEW, PLAIN)));
    let old_worker = old.worker().start().await.unwrap();
    new.announce().await;
    let urgent = queue.send(json!({"n": 1, "urgent": true})).await;
    queue.until(TRIED).await;
    queue.until("SELECT status = 'pending' AND attempts = 0 FROM jobs.v_job_run").await;
    let known = queue.send(json!({"n": 2, "note": "x"})).await;
    assert_eq!(queue.outcome(known).await, "completed after 1", "what the older version knows it does");

    let new_worker = new.worker().start().await.unwrap();
    assert_eq!(queue.outcome(urgent).await, "completed after 1");
    old_worker.shutdown().await.unwrap();
    new_worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_with_workers_of_both_versions_loses_no_job() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, PLAIN)), queue.version(&mailer(NEW, PLAIN)));
    let urgent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&urgent);
    let old_worker = old.worker().start().await.unwrap();
    let new_worker = new
        .silent_worker()
        .handle::<Send>(move |input: Json, _| {
            counter.fetch_add(usize::from(input.contains_key("urgent")), Ordering::SeqCst);
            async { Ok::<_, Infallible>(Json::new()) }
        })
        .start()
        .await
        .unwrap();
    for n in 0..60 {
        let input = if n % 2 == 0 { json!({"n": n, "urgent": true}) } else { json!({"n": n, "note": "x"}) };
        queue.send(input).await;
    }
    queue.until("SELECT count(*) = 60 FROM jobs.tb_job_outcome").await;
    assert_eq!(
        queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed' AND attempts = 1").await,
        60
    );
    assert_eq!(urgent.load(Ordering::SeqCst), 30);
    old_worker.shutdown().await.unwrap();
    new_worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_hour_without_a_worker_of_its_version_a_job_is_judged() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, PLAIN)), queue.version(&mailer(NEW, PLAIN)));
    let worker = old.worker().start().await.unwrap();
    new.announce().await;
    let urgent = queue.send(json!({"n": 1, "urgent": true})).await;
    queue.until(TRIED).await;
    queue.execute("UPDATE jobs.tb_job_unread SET first_at = first_at - interval '1 hour'").await;
    let outcome = queue.outcome(urgent).await;
    assert!(outcome.starts_with("failed/invalid_input after "), "{outcome}");
    assert!(outcome.contains("$.urgent") && outcome.contains("for an hour no worker of that took it"), "{outcome}");

    // Queued again, it has an hour again.
    sqlx::query("SELECT jobs.retry($1)").bind(urgent).execute(queue.pool()).await.unwrap();
    queue.until("SELECT EXISTS (SELECT FROM jobs.tb_job_unread WHERE first_at > now() - interval '1 minute')").await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_its_own_or_a_newer_version_is_judged_at_once() {
    let queue = Queue::new().await;
    let old = queue.version(&mailer(OLD, PLAIN));
    let new = queue.version(&mailer("n: integer!, to: text!", PLAIN));
    // Its own, though a newer one is announced; the job was queued before that.
    old.announce().await;
    let wrong = queue.send(json!({"n": "many"})).await;
    let older = queue.send(json!({"n": 1, "note": "x"})).await;
    new.announce().await;
    let worker = old.worker().start().await.unwrap();
    let outcome = queue.outcome(wrong).await;
    assert!(outcome.starts_with("failed/invalid_input after 1"), "{outcome}");
    assert_eq!(queue.outcome(older).await, "completed after 1");
    worker.shutdown().await.unwrap();

    // An older one's, by a worker that is newer.
    queue.execute("UPDATE jobs.tb_operation SET policy_code = (SELECT policy_code FROM jobs.tb_job_run LIMIT 1)").await;
    let older = queue.send(json!({"n": 1, "note": "x"})).await;
    let worker = new.worker().start().await.unwrap();
    let outcome = queue.outcome(older).await;
    assert!(outcome.starts_with("failed/invalid_input after 1"), "{outcome}");
    // And its own.
    let wrong = queue.send(json!({"n": 1})).await;
    assert!(queue.outcome(wrong).await.starts_with("failed/invalid_input after 1"));
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_unread").await, 0);
    worker.shutdown().await.unwrap();
}

/// The only worker of the newer version restarts while the older one's is there: what was queued in between is its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_newer_versions_workers_loses_nothing() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, PLAIN)), queue.version(&mailer(NEW, PLAIN)));
    let old_worker = old.worker().start().await.unwrap();
    new.worker().start().await.unwrap().shutdown().await.unwrap();
    let urgent = queue.send(json!({"n": 1, "urgent": true})).await;
    queue.until(TRIED).await;
    let new_worker = new.worker().start().await.unwrap();
    assert_eq!(queue.outcome(urgent).await, "completed after 1");
    old_worker.shutdown().await.unwrap();
    new_worker.shutdown().await.unwrap();
}

/// An hour after the last worker of the newer version went, what is queued is the older version's again.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_after_a_roll_back_jobs_are_judged_by_the_version_that_is_there() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, PLAIN)), queue.version(&mailer(NEW, PLAIN)));
    old.worker().start().await.unwrap().shutdown().await.unwrap();
    new.worker().start().await.unwrap().shutdown().await.unwrap();
    queue.execute("UPDATE jobs.tb_registry SET worker_seen_at = worker_seen_at - interval '1 hour'").await;
    let worker = old.worker().start().await.unwrap();
    let wrong = queue.send(json!({"n": 1, "urgent": true})).await;
    let outcome = queue.outcome(wrong).await;
    assert!(outcome.starts_with("failed/invalid_input after 1"), "{outcome}");
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_put_off_is_cancelled_as_any_other() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, PLAIN)), queue.version(&mailer(NEW, PLAIN)));
    let worker = old.worker().start().await.unwrap();
    new.announce().await;
    let urgent = queue.send(json!({"n": 1, "urgent": true})).await;
    queue.until(TRIED).await;
    sqlx::query("SELECT jobs.cancel($1)").bind(urgent).execute(queue.pool()).await.unwrap();
    assert!(queue.outcome(urgent).await.starts_with("cancelled/cancelled after 0"));
    worker.shutdown().await.unwrap();
}
