//! What follows a failed attempt.

use std::{
    convert::Infallible,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use specql_registry::FailureClass;
use specql_runtime::runner::Failure;

use crate::project::{Calls, Echo, Pay, Queue, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_failure_is_repeated_and_every_call_counted() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Pay>(|_, job| async move {
            match job.attempt {
                1 | 2 => Err(Failure::new(FailureClass::TransientReported, "503")),
                _ => Ok(said("paid")),
            }
        })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue("pay", "x").await;
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 3));
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_come_to_an_end() {
    let queue = Queue::new().await;
    let calls = Calls::default();
    let counted = calls.clone();
    let worker = queue
        .worker()
        .handle::<Echo>(move |_, _| {
            counted.fetch_add(1, Relaxed);
            async { Err(Failure::new(FailureClass::TransientReported, "503")) }
        })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue("echo", "x").await;
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("failed", 3));
    assert_eq!(outcome.class.as_deref(), Some("transient_reported"));
    assert_eq!(calls.load(Relaxed), 3);
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_repeated_only_where_the_operation_is_idempotent() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Echo>(|_, _| async { Err(std::io::Error::other("reset")) })
        .handle::<Pay>(|_, _| async { Err(std::io::Error::other("reset")) })
        .start()
        .await
        .unwrap();
    let (echo, pay) = (queue.enqueue("echo", "x").await, queue.enqueue("pay", "x").await);
    assert_eq!(queue.outcome(echo).await.attempts, 3);
    let pay = queue.outcome(pay).await;
    assert_eq!((pay.attempts, pay.class.as_deref()), (1, Some("ambiguous")));
    assert_eq!(pay.message.as_deref(), Some("reset"));
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_the_attempt_and_not_the_worker() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .concurrency(1)
        .handle::<Echo>(|input, _| async move {
            if input["say"] == "boom" {
                panic!("out of paper");
            }
            Ok::<_, Infallible>(said("fine"))
        })
        .handle::<Pay>(|_, _| async { if true { panic!("out of money") } else { Ok::<_, Infallible>(said("")) } })
        .start()
        .await
        .unwrap();
    let pay = queue.enqueue("pay", "x").await;
    let boom = queue.enqueue("echo", "boom").await;
    let fine = queue.enqueue("echo", "fine").await;
    let pay = queue.outcome(pay).await;
    assert_eq!((pay.attempts, pay.class.as_deref()), (1, Some("ambiguous")));
    assert_eq!(pay.message.as_deref(), Some("the runner panicked: out of money"));
    assert_eq!(queue.outcome(boom).await.attempts, 3);
    assert_eq!(queue.outcome(fine).await.status, "completed");
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_off_uses_no_attempt_up() {
    let queue = Queue::new().await;
    let calls = Calls::default();
    let counted = calls.clone();
    let worker = queue
        .worker()
        .handle::<Pay>(move |_, _| {
            let call = counted.fetch_add(1, Relaxed);
            async move { if call < 5 { Err(Failure::new(FailureClass::NoCapacity, "full")) } else { Ok(said("paid")) } }
        })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue("pay", "x").await;
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1));
    assert_eq!(calls.load(Relaxed), 6);
    worker.shutdown().await.unwrap();
}

/// An outage outlasts any number of attempts, and proves at each try that nothing happened.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_started_uses_no_attempt_up_and_is_given_up_by_time() {
    let queue = Queue::new().await;
    let calls = Calls::default();
    let counted = calls.clone();
    let worker =
        queue
            .worker()
            .handle::<Pay>(move |_, _| {
                let call = counted.fetch_add(1, Relaxed);
                async move {
                    if call < 4 { Err(Failure::new(FailureClass::NotStarted, "refused")) } else { Ok(said("paid")) }
                }
            })
            .handle::<Echo>(|_, _| async { Err(Failure::new(FailureClass::NotStarted, "refused")) })
            .start()
            .await
            .unwrap();
    let id = queue.enqueue("pay", "x").await;
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1));
    assert_eq!(calls.load(Relaxed), 5);

    queue.execute("UPDATE jobs.tb_operation SET give_up_seconds = 2 WHERE operation = 'echo'").await;
    let started = Instant::now();
    let id = queue.enqueue("echo", "x").await;
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("failed", 0));
    assert_eq!(outcome.class.as_deref(), Some("not_started"));
    assert!(outcome.message.unwrap().starts_with("refused; given up"));
    assert!(started.elapsed() >= Duration::from_millis(1_500), "{:?}", started.elapsed());
    worker.shutdown().await.unwrap();
}

/// Of an exit code or an error of a function nobody knows what happened before.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_keeps_the_key_unless_the_handler_knows_that_nothing_happened() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Pay>(|_, _| async { Err(Failure::new(FailureClass::PermanentReported, "exit code 1")) })
        .handle::<Echo>(|_, _| async {
            Err(Failure::new(FailureClass::PermanentReported, "its check mode says no").without_effect())
        })
        .start()
        .await
        .unwrap();
    let first = queue.enqueue_keyed("pay", "k").await;
    assert_eq!(queue.outcome(first).await.class.as_deref(), Some("permanent_reported"));
    assert_eq!(queue.enqueue_keyed("pay", "k").await, first);
    let first = queue.enqueue_keyed("echo", "k").await;
    assert_eq!(queue.outcome(first).await.class.as_deref(), Some("permanent_reported"));
    assert_ne!(queue.enqueue_keyed("echo", "k").await, first);
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_side_that_says_when_is_left_alone_until_then() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Pay>(|_, job| async move {
            if job.attempt == 1 {
                let wait = Duration::from_millis(700);
                return Err(Failure::new(FailureClass::TransientReported, "429").retry_after(wait));
            }
            Ok(said("paid"))
        })
        .start()
        .await
        .unwrap();
    let started = Instant::now();
    let id = queue.enqueue("pay", "x").await;
    assert_eq!(queue.outcome(id).await.attempts, 2);
    assert!(started.elapsed() >= Duration::from_millis(700));
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_dropped_at_its_deadline() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Pay>(|_, _| async {
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(said(""))
        })
        .start()
        .await
        .unwrap();
    let id: uuid::Uuid =
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('work', 'pay', '{}', _timeout_seconds => 1)")
            .fetch_one(queue.database().pool())
            .await
            .unwrap();
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.attempts, outcome.class.as_deref()), (1, Some("timeout")));
    worker.shutdown().await.unwrap();
}
