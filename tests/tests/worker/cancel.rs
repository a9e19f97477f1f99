//! Cancel.

use std::{convert::Infallible, sync::Arc};

use tokio::sync::Notify;

use crate::project::{Echo, Queue, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_stopped_and_recorded_as_cancelled() {
    let queue = Queue::new().await;
    let started = Arc::new(Notify::new());
    let seen = started.clone();
    let worker = queue
        .worker()
        .handle::<Echo>(move |_, _| {
            let started = started.clone();
            async move {
                started.notify_one();
                std::future::pending::<()>().await;
                Ok::<_, Infallible>(said(""))
            }
        })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue("echo", "x").await;
    seen.notified().await;
    let answer: String =
        sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(queue.database().pool()).await.unwrap();
    assert_eq!(answer, "cancelling");
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.class.as_deref()), ("cancelled", Some("cancelled")));
    worker.shutdown().await.unwrap();
}
