//! The graceful stop.

use std::{convert::Infallible, sync::Arc, time::Duration};

use specql_runtime::worker::ShutdownError;
use tokio::sync::Notify;

use crate::project::{Echo, Pay, Queue, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_may_finish() {
    let queue = Queue::new().await;
    let started = Arc::new(Notify::new());
    let seen = started.clone();
    let worker = queue
        .worker()
        .handle::<Pay>(move |_, _| {
            let started = started.clone();
            async move {
                started.notify_one();
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok::<_, Infallible>(said("paid"))
            }
        })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue("pay", "x").await;
    seen.notified().await;
    worker.shutdown().await.unwrap();
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_in_time_is_given_back_where_that_is_harmless_and_judged_where_not() {
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
    let worker = queue
        .worker()
        .shutdown_timeout(Duration::from_millis(50))
        .handle::<Echo>(hang.clone())
        .handle::<Pay>(hang)
        .start()
        .await
        .unwrap();
    let echo = queue.enqueue("echo", "x").await;
    seen.notified().await;
    let pay = queue.enqueue("pay", "x").await;
    seen.notified().await;
    worker.shutdown().await.unwrap();

    // The idempotent one waits for the next worker, which makes its first attempt. That a call may have been made is kept.
    let waiting = "SELECT count(*) FROM jobs.tb_job_scheduled WHERE coalesce(attempts, 0) = 0 AND effect_possible";
    assert_eq!(queue.count(waiting).await, 1);
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 0);
    let next = queue.worker().handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("done")) }).start().await.unwrap();
    let outcome = queue.outcome(echo).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1));
    next.shutdown().await.unwrap();
    // Nobody knows whether the other one was paid. It must not be paid again.
    let outcome = queue.outcome(pay).await;
    assert_eq!((outcome.status.as_str(), outcome.class.as_deref()), ("failed", Some("ambiguous")));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_claimed_ahead_are_given_back_unstarted() {
    let queue = Queue::new().await;
    queue
        .execute(
            "SELECT count(*) FROM jobs.enqueue_many('work', 'echo', array_fill('{\"say\":\"x\"}'::jsonb, ARRAY[5000]))",
        )
        .await;
    let worker = queue
        .worker()
        .concurrency(2)
        .handle::<Echo>(|_, _| async {
            tokio::time::sleep(Duration::from_micros(200)).await;
            Ok::<_, Infallible>(said(""))
        })
        .start()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    worker.shutdown().await.unwrap();
    let (ready, done) = (
        queue.count("SELECT count(*) FROM jobs.tb_job_ready WHERE coalesce(attempts, 0) = 0").await,
        queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed'").await,
    );
    assert_eq!(ready + done, 5000, "{ready} ready, {done} done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_says_which_jobs_have_no_written_end() {
    let queue = Queue::new().await;
    let (started, seen) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrived, go) = (started.clone(), seen.clone());
    let worker = queue
        .worker()
        .shutdown_timeout(Duration::from_millis(100))
        .handle::<Pay>(move |_, _| {
            let (arrived, go) = (arrived.clone(), go.clone());
            async move {
                arrived.notify_one();
                go.notified().await;
                Ok::<_, Infallible>(said("paid"))
            }
        })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue("pay", "x").await;
    started.notified().await;
    // From here on the database takes no end of a job.
    sqlx::query("DROP FUNCTION jobs.complete").execute(queue.database().pool()).await.unwrap();
    seen.notify_one();
    let stopped = worker.shutdown().await;
    assert!(matches!(&stopped, Err(ShutdownError::Unfinished { jobs }) if *jobs == [id]), "{stopped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_says_that_the_worker_is_still_on_the_list() {
    let queue = Queue::new().await;
    let worker = queue.worker().start().await.unwrap();
    sqlx::query("DROP FUNCTION jobs.unregister_worker").execute(queue.database().pool()).await.unwrap();
    let stopped = worker.shutdown().await;
    assert!(matches!(stopped, Err(ShutdownError::Registered(_))), "{stopped:?}");
}
