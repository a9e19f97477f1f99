//! Callbacks, as the worker meets them.

use std::{convert::Infallible, sync::atomic::Ordering::Relaxed};

use specql_registry::FailureClass;
use specql_runtime::runner::Failure;
use specql_tests::logged;
use uuid::Uuid;

use crate::project::{Calls, Pay, Queue, eventually, said};

/// Two callbacks that write into a table, as a generated action would have them.
const CALLBACKS: &str = "
    CREATE TABLE public.heard (job uuid, kind text, body jsonb);
    CREATE TABLE public.gate (open boolean);
    INSERT INTO public.gate VALUES (true);
    CREATE FUNCTION public.cb_success(_job_run_id uuid, _output_data jsonb) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT (SELECT open FROM public.gate) THEN RAISE EXCEPTION 'the order is locked'; END IF;
        INSERT INTO public.heard VALUES (_job_run_id, 'success', _output_data);
    END $$;
    CREATE FUNCTION public.cb_failure(_job_run_id uuid, _error jsonb) RETURNS void LANGUAGE sql AS
        $$ INSERT INTO public.heard VALUES (_job_run_id, 'failure', _error) $$;
    INSERT INTO jobs.tb_callback (key, kind, schema_name, function_name, service_name, operation) VALUES
        ('ok', 'success', 'public', 'cb_success', 'work', 'pay'),
        ('bad', 'failure', 'public', 'cb_failure', 'work', 'pay')";

async fn pay_with_callbacks(queue: &Queue) -> Uuid {
    let sql = "SELECT job_id FROM jobs.enqueue_step('work', 'pay', '{}', NULL, NULL, 'never', NULL, NULL, NULL, 0, NULL, \
               NULL, NULL, NULL, NULL, 'ok', 'bad')";
    sqlx::query_scalar(sql).fetch_one(queue.database().pool()).await.unwrap()
}

async fn heard(queue: &Queue, id: Uuid) -> Vec<(String, serde_json::Value)> {
    sqlx::query_as("SELECT kind, body FROM public.heard WHERE job = $1")
        .bind(id)
        .fetch_all(queue.database().pool())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_failure_runs_on_failure_once() {
    let queue = Queue::new().await;
    queue.execute(CALLBACKS).await;
    let worker = queue
        .worker()
        .handle::<Pay>(|_, _| async { Err(Failure::new(FailureClass::PermanentReported, "card declined")) })
        .start()
        .await
        .unwrap();
    let id = pay_with_callbacks(&queue).await;
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("failed", 1));
    let heard = heard(&queue, id).await;
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].0, "failure");
    assert_eq!(heard[0].1["message"], "card declined");
    assert_eq!(heard[0].1["kind"], "permanent_reported");
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_raises_is_repeated_and_the_call_is_not() {
    let queue = Queue::new().await;
    queue.execute(CALLBACKS).await;
    queue.execute("UPDATE public.gate SET open = false").await;
    let calls = Calls::default();
    let counted = calls.clone();
    let worker = queue
        .worker()
        .handle::<Pay>(move |_, _| {
            counted.fetch_add(1, Relaxed);
            async { Ok::<_, Infallible>(said("paid")) }
        })
        .start()
        .await
        .unwrap();
    let id = pay_with_callbacks(&queue).await;
    eventually(async || {
        let waiting = "SELECT count(*) FROM jobs.tb_job_callback WHERE last_error LIKE '%the order is locked%'";
        (queue.count(waiting).await == 1).then_some(())
    })
    .await;
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_outcome").await, 0, "not completed without its callback");
    queue.execute("UPDATE public.gate SET open = true").await;
    assert_eq!(queue.outcome(id).await.status, "completed");
    assert_eq!(heard(&queue, id).await.len(), 1);
    assert_eq!(calls.load(Relaxed), 1);
    worker.shutdown().await.unwrap();
}

/// On one thread, whose log is kept.
#[tokio::test]
async fn the_worker_logs_with_which_sqlstate_a_callback_raised() {
    let queue = Queue::new().await;
    queue.execute(CALLBACKS).await;
    queue.execute("UPDATE public.gate SET open = false").await;
    logged::keep();
    let worker =
        queue.worker().handle::<Pay>(|_, _| async { Ok::<_, Infallible>(said("paid")) }).start().await.unwrap();
    let id = pay_with_callbacks(&queue).await;
    // Not until the database has it: the worker hears of it later.
    let mut said = String::new();
    eventually(async || {
        said += &logged::take();
        said.contains("callbacks failed again").then_some(())
    })
    .await;
    worker.shutdown().await.unwrap();
    said += &logged::take();
    let lines = |words: &str| said.lines().filter(|line| line.contains(words) && line.contains("P0001")).count();
    assert_eq!(lines(&id.to_string()), 1, "after the call: {said}");
    assert!(lines("callbacks failed again") >= 1, "{said}");
    assert!(!said.contains("the order is locked"), "a message may quote values: {said}");
}
