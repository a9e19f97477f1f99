//! Workers that die, and workers that come back from the dead.

use std::{convert::Infallible, sync::Arc, time::Duration};

use specql_runtime::queue::{Link, finish::Completions, lease::Claim};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::project::{Echo, Pay, Queue, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_workers_job_is_run_by_another_where_that_is_harmless() {
    let queue = Queue::new().await;
    let started = Arc::new(Notify::new());
    let seen = started.clone();
    let hang = move |_, _| {
        let started = started.clone();
        async move {
            started.notify_one();
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(said(""))
        }
    };
    let worker = queue.worker().handle::<Echo>(hang.clone()).handle::<Pay>(hang).start().await.unwrap();
    let echo = queue.enqueue("echo", "x").await;
    seen.notified().await;
    let pay = queue.enqueue("pay", "x").await;
    seen.notified().await;
    drop(worker); // no farewell, as after kill -9

    let next = queue
        .worker()
        .handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("done")) })
        .handle::<Pay>(|_, _| async { Ok::<_, Infallible>(said("paid")) })
        .start()
        .await
        .unwrap();
    let outcome = queue.outcome(echo).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 2));
    let outcome = queue.outcome(pay).await;
    assert_eq!((outcome.status.as_str(), outcome.class.as_deref()), ("failed", Some("ambiguous")));
    next.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_its_lease_can_write_nothing() {
    let queue = Queue::new().await;
    let id = queue.enqueue("echo", "x").await;
    let options = queue.database().pool().connect_options();
    let mut zombie = Link::new(&options, "zombie", Duration::from_secs(10));
    let worker = Uuid::new_v4();
    zombie.register_worker(worker, "zombie", "0", &serde_json::json!({}), None).await.unwrap();
    let codes: Vec<i32> =
        sqlx::query_scalar("SELECT code FROM jobs.tb_operation").fetch_all(queue.database().pool()).await.unwrap();
    let claim = Claim { operations: &codes, limit: 10, full_scan: true, running: None };
    let claimed = zombie.claim(worker, claim).await.unwrap().jobs;
    assert_eq!(claimed.len(), 1);

    // It is paused for longer than its lease lasts.
    queue
        .execute("UPDATE jobs.tb_job_lease SET renewed_at = coalesce(renewed_at, claimed_at) - interval '11 seconds'")
        .await;
    let next =
        queue.worker().handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("second")) }).start().await.unwrap();
    let outcome = queue.outcome(id).await;
    assert_eq!(outcome.output, Some(serde_json::json!({"said": "second"})));

    let batch = Completions {
        pks: vec![claimed[0].pk],
        epochs: vec![claimed[0].epoch],
        outputs: vec![serde_json::json!({"said": "first"}).into()],
        usages: vec![None],
    };
    let written = zombie.complete(worker, &batch).await.unwrap();
    assert_eq!(written[0].result, "fenced");
    assert!(zombie.heartbeat(worker, &batch.pks, &batch.epochs).await.unwrap().is_empty());
    assert_eq!(zombie.release(worker, &batch.pks, &batch.epochs).await.unwrap(), 0);
    assert_eq!(queue.outcome(id).await, outcome);
    next.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_lease_is_gone_is_stopped() {
    let queue = Queue::new().await;
    let (started, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, gone) = (started.clone(), stopped.clone());
    let worker = queue
        .worker()
        .handle::<Echo>(move |_, job| {
            let (started, stopped) = (started.clone(), stopped.clone());
            async move {
                started.notify_one();
                tokio::spawn(async move {
                    job.cancel.cancelled().await;
                    stopped.notify_one();
                });
                std::future::pending::<()>().await;
                Ok::<_, Infallible>(said(""))
            }
        })
        .start()
        .await
        .unwrap();
    queue.enqueue("echo", "x").await;
    seen.notified().await;
    queue.execute("DELETE FROM jobs.tb_job_lease").await;
    tokio::time::timeout(Duration::from_secs(20), gone.notified()).await.expect("it was not stopped");
    worker.shutdown().await.unwrap();
}
