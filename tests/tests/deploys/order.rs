//! Whose limits and defaults stand while two versions are at work: the newest by first registration that a live worker runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::project::{Json, NEW, OLD, PLAIN, Queue, Send, eventually, mailer};

const TWO: &str = "timeout: 30\n    limits: {concurrency: 2}";
const FIVE: &str = "timeout: 60\n    limits: {concurrency: 5}";
/// Concurrency, timeout and attempts as they stand.
const STANDS: &str = "SELECT concat_ws(' ', l.concurrency, o.timeout_seconds) FROM jobs.tb_operation AS o
                      LEFT JOIN jobs.tb_limit AS l ON l.code = o.limit_code";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_worker_that_restarts_reverts_nothing() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, TWO)), queue.version(&mailer(NEW, FIVE)));
    let old_worker = old.worker().start().await.unwrap();
    assert_eq!(queue.text(STANDS).await, "2 30");
    let new_worker = new.worker().start().await.unwrap();
    assert_eq!(queue.text(STANDS).await, "5 60");
    old_worker.shutdown().await.unwrap();
    let old_worker = old.worker().start().await.unwrap();
    old.announce().await;
    assert_eq!(queue.text(STANDS).await, "5 60");
    old_worker.shutdown().await.unwrap();
    new_worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_roll_back_the_older_version_stands_again() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, TWO)), queue.version(&mailer(NEW, FIVE)));
    let old_worker = old.worker().start().await.unwrap();
    let new_worker = new.worker().start().await.unwrap();
    assert_eq!(queue.text(STANDS).await, "5 60");
    // The older worker was there all the time, and says nothing.
    new_worker.shutdown().await.unwrap();
    assert_eq!(queue.text(STANDS).await, "2 30");

    // Forward again, and then the newer ones die without a word.
    let new_worker = new.worker().start().await.unwrap();
    assert_eq!(queue.text(STANDS).await, "5 60");
    let dead = new_worker.id();
    // Its first sign of life is under way when it has started, and would arrive after its death.
    while sqlx::query_scalar("SELECT heartbeat_at = started_at FROM jobs.tb_worker WHERE id = $1")
        .bind(dead)
        .fetch_one(queue.pool())
        .await
        .unwrap()
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(new_worker);
    sqlx::query("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '2 minutes' WHERE id = $1")
        .bind(dead)
        .execute(queue.pool())
        .await
        .unwrap();
    old.worker().start().await.unwrap().shutdown().await.unwrap();
    assert_eq!(queue.text(STANDS).await, "2 30");
    old_worker.shutdown().await.unwrap();
}

/// `db.migrate()` by the pipeline, before the processes are replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_only_announced_brings_its_operations_and_no_limits() {
    let queue = Queue::new().await;
    let old = queue.version(&mailer(OLD, TWO));
    let new = queue.version(&format!(
        "{}      - {{name: resend, input_schema: {{n: integer!}}, output_schema: {{}}}}\n",
        mailer(NEW, FIVE)
    ));
    let old_worker = old.worker().start().await.unwrap();
    new.announce().await;
    let resend = queue.enqueue("mailer.resend", json!({"n": 1})).await;
    assert_eq!(queue.standing(resend).await, "pending after 0");
    const OF_SEND: &str = "SELECT concat_ws(' ', l.concurrency, o.timeout_seconds) FROM jobs.tb_operation AS o
                           JOIN jobs.tb_limit AS l ON l.code = o.limit_code WHERE o.operation = 'send'";
    assert_eq!(queue.text(OF_SEND).await, "2 30");
    let new_worker = new.worker().start().await.unwrap();
    assert_eq!(queue.text(OF_SEND).await, "5 60");
    old_worker.shutdown().await.unwrap();
    new_worker.shutdown().await.unwrap();
}

/// Where no worker has a registry (they are written in other languages), the last one announced stands, as ever.
#[tokio::test]
async fn without_workers_in_rust_the_last_version_that_was_announced_stands() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, TWO)), queue.version(&mailer(NEW, FIVE)));
    for (version, stands) in [(&old, "2 30"), (&new, "5 60"), (&old, "2 30")] {
        version.announce().await;
        assert_eq!(queue.text(STANDS).await, stands);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_from_before_the_limit_keeps_to_it_and_gives_its_share_back() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, PLAIN)), queue.version(&mailer(NEW, "limits: {concurrency: 1}")));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let highest = Arc::clone(&most);
    let old_worker = old.silent_worker().handle::<Send>(move |_, _| {
        let (now, highest) = (Arc::clone(&running), Arc::clone(&highest));
        async move {
            highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, std::convert::Infallible>(Json::new())
        }
    });
    let old_worker = old_worker.start().await.unwrap();
    // Its word stands; without a function it carries nothing out.
    let new_worker = new.silent_worker().start().await.unwrap();
    for n in 0..40 {
        queue.send(json!({"n": n})).await;
    }
    queue.until("SELECT count(*) = 40 FROM jobs.tb_job_outcome").await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
    // The slot is free for whoever needs it.
    queue.until("SELECT count(*) = 0 FROM jobs.tb_limit_share").await;
    old_worker.shutdown().await.unwrap();
    new_worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_come_and_go_at_once_agree_on_whose_word_stands() {
    let queue = Queue::new().await;
    let (old, new) = (queue.version(&mailer(OLD, TWO)), queue.version(&mailer(NEW, FIVE)));
    old.announce().await;
    new.announce().await;
    for _ in 0..5 {
        let (a, b, c) = tokio::join!(old.worker().start(), new.worker().start(), old.worker().start());
        assert_eq!(queue.text(STANDS).await, "5 60");
        let (a, b, c) = tokio::join!(a.unwrap().shutdown(), b.unwrap().shutdown(), async { c });
        a.unwrap();
        b.unwrap();
        assert_eq!(queue.text(STANDS).await, "2 30");
        c.unwrap().shutdown().await.unwrap();
    }
    let listed = "SELECT string_agg(workers::text || ' ' || operations, ', ') FROM jobs.v_registry";
    eventually(async || (queue.text(listed).await == "0 1, 0 1").then_some(())).await;
}
