//! Claim, run, complete.

use std::{convert::Infallible, time::Duration};

use serde_json::json;
use specql_registry::{FailureClass, service::Configuration};
use specql_runtime::{runner::Failure, worker::StartError};

use crate::project::{Calls, Echo, Pay, Queue, eventually, operation, registry_of, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_run_and_its_output_recorded() {
    let queue = Queue::new().await;
    let before = queue.enqueue("echo", "early").await;
    let worker = queue
        .worker()
        .handle::<Echo>(|input, _job| async move { Ok::<_, Infallible>(said(&input["say"].to_uppercase())) })
        .start()
        .await
        .unwrap();
    let after = queue.enqueue("echo", "late").await;
    for (id, said) in [(before, "EARLY"), (after, "LATE")] {
        let outcome = queue.outcome(id).await;
        assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1));
        assert_eq!(outcome.output, Some(json!({"said": said})));
    }
    worker.shutdown().await.unwrap();
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 0);
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_worker").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_one_of_many_jobs_runs_once() {
    let queue = Queue::new().await;
    let calls = Calls::default();
    queue
        .execute(
            "SELECT count(*) FROM jobs.enqueue_many('work', 'echo', array_fill('{\"say\":\"x\"}'::jsonb, ARRAY[3000]))",
        )
        .await;
    let mut workers = Vec::new();
    for _ in 0..2 {
        let calls = calls.clone();
        let worker = queue.worker().concurrency(20).handle::<Echo>(move |input, _job| {
            calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { Ok::<_, Infallible>(said(&input["say"])) }
        });
        workers.push(worker.start().await.unwrap());
    }
    eventually(async || {
        let done = queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed'").await;
        (done == 3000).then_some(())
    })
    .await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 3000);
}

/// Two who want the same rows would fail each other under it, again and again.
#[tokio::test]
async fn workers_do_not_go_by_the_isolation_that_a_database_sets_for_its_application() {
    let queue = Queue::new().await;
    let name: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(queue.database().pool()).await.unwrap();
    let stricter = format!("ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(stricter)).execute(queue.database().pool()).await.unwrap();
    queue
        .execute(
            "SELECT count(*) FROM jobs.enqueue_many('work', 'echo', array_fill('{\"say\":\"x\"}'::jsonb, ARRAY[2000]))",
        )
        .await;
    specql_tests::logged::keep();
    let mut workers = Vec::new();
    for _ in 0..3 {
        let worker = queue.worker().concurrency(10).handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("")) });
        workers.push(worker.start().await.unwrap());
    }
    eventually(async || {
        let done =
            queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed' AND attempts = 1").await;
        (done == 2000).then_some(())
    })
    .await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
    let said = specql_tests::logged::take();
    assert!(!said.contains("could not serialize"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_without_a_handler_is_left_for_another_worker() {
    let queue = Queue::new().await;
    let pay = queue.enqueue("pay", "1").await;
    let worker = queue.worker().handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("")) }).start().await.unwrap();
    let echo = queue.enqueue("echo", "x").await;
    queue.outcome(echo).await;
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_ready").await, 1);
    worker.shutdown().await.unwrap();
    let worker = queue.worker().handle::<Pay>(|_, _| async { Ok::<_, Infallible>(said("")) }).start().await.unwrap();
    assert_eq!(queue.outcome(pay).await.status, "completed");
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_does_not_fit_the_schema_never_reaches_the_handler() {
    let queue = Queue::new().await;
    let calls = Calls::default();
    let counted = calls.clone();
    let worker = queue
        .worker()
        .handle::<Echo>(move |_, _| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async { Ok::<_, Infallible>(said("")) }
        })
        .start()
        .await
        .unwrap();
    for input in [json!({"say": 3}), json!({"unknown": "x"}), json!([])] {
        let id = queue.enqueue_input("echo", input).await;
        let outcome = queue.outcome(id).await;
        assert_eq!((outcome.status.as_str(), outcome.class.as_deref()), ("failed", Some("invalid_input")));
    }
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 0);
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn text_with_nul_is_refused_in_an_output_and_replaced_in_a_message() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("a\0b")) })
        .handle::<Pay>(|_, _| async { Err(Failure::new(FailureClass::PermanentReported, "c\0d")) })
        .start()
        .await
        .unwrap();
    let (echo, pay) = (queue.enqueue("echo", "x").await, queue.enqueue("pay", "x").await);
    assert_eq!(queue.outcome(echo).await.class.as_deref(), Some("effect_result_lost"));
    assert_eq!(queue.outcome(pay).await.message.as_deref(), Some("c\u{fffd}d"));
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_found_without_notifications() {
    let queue = Queue::new().await;
    let worker = queue.worker().handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("")) }).start().await.unwrap();
    // Its LISTEN connection is ended again and again, as a pooler or a restart would.
    for _ in 0..3 {
        queue
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'specql listen'")
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let id = queue.enqueue("echo", "x").await;
        assert_eq!(queue.outcome(id).await.status, "completed");
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_the_loss_of_all_its_connections() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Echo>(|input, _| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, Infallible>(said(&input["say"]))
        })
        .start()
        .await
        .unwrap();
    for round in 0..6 {
        queue
            .execute("SELECT count(*) FROM jobs.enqueue_many('work', 'echo', array_fill('{\"say\":\"x\"}'::jsonb, ARRAY[200]))")
            .await;
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        queue
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'specql %'")
            .await;
    }
    eventually(async || {
        let done = queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed'").await;
        (done == 1200).then_some(())
    })
    .await;
    worker.shutdown().await.unwrap();
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_for_an_operation_that_does_not_exist_is_an_error_at_start() {
    struct Misspelt;
    impl specql_runtime::client::Operation for Misspelt {
        const SERVICE: &'static str = "work";
        const OPERATION: &'static str = "ecko";
        type Input = serde_json::Value;
        type Output = serde_json::Value;
    }
    let queue = Queue::new().await;
    let started = queue.worker().handle::<Misspelt>(|_, _| async { Ok::<_, Infallible>(json!({})) }).start().await;
    assert!(matches!(started, Err(StartError::UnknownHandler { .. })), "{started:?}");
    let started = queue.worker().elsewhere::<Misspelt>().start().await;
    assert!(matches!(started, Err(StartError::UnknownHandler { .. })), "{started:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_not_start_without_the_handlers_of_what_is_handled_in_code() {
    let mut registry = registry_of([operation("echo", true), operation("pay", false)], Configuration::Handler);
    registry.services[0].handled_in_code = true;
    let queue = Queue::with(&registry).await;
    let echo = || queue.worker().handle::<Echo>(|input, _| async { Ok::<_, Infallible>(input) });
    let refused = echo().start().await;
    let Err(StartError::NoHandler { operations }) = &refused else { panic!("{refused:?}") };
    assert_eq!(operations, &["work.pay"]);
    let workers = || queue.count("SELECT count(*) FROM jobs.tb_worker");
    assert_eq!(workers().await, 0, "the database knows nothing of it");

    let worker = echo().elsewhere::<Pay>().start().await.unwrap();
    let (served, waiting) = (queue.enqueue("echo", "a").await, queue.enqueue("pay", "b").await);
    assert_eq!(queue.outcome(served).await.status, "completed");
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_outcome").await, 1, "the other job waits");
    worker.shutdown().await.unwrap();
    let worker = echo().handle::<Pay>(|input, _| async { Ok::<_, Infallible>(input) }).start().await.unwrap();
    assert_eq!(queue.outcome(waiting).await.status, "completed");
    worker.shutdown().await.unwrap();
}
