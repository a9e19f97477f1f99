//! Inputs that cannot be read, and claims that nobody hears of.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;
use specql_runtime::client::Operation;

use crate::project::{Pay, Queue, eventually, said};

/// What a job is about, its status, attempts, class and message.
type End = (String, String, i32, Option<String>, Option<String>);

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_cannot_be_read_ends_its_own_job_and_no_other() {
    let queue = Queue::new().await;
    // As a plain INSERT puts them in. All are claimed together.
    queue
        .execute(
            r#"INSERT INTO jobs.tb_job_run (service_name, operation, input_data, correlation_id) VALUES
               ('work', 'pay', '{"say": "before"}', 'good'),
               ('work', 'pay', '{"say": 1e400}', 'it is out of range'),
               ('work', 'pay', '{}', 'it is too deep'),
               ('work', 'pay', '["say"]', 'it is no object'),
               ('work', 'pay', '{"say": 5}', 'it does not fit'),
               ('work', 'pay', '{"say": "after"}', 'good')"#,
        )
        .await;
    // From before inputs were looked at.
    queue
        .execute(
            "UPDATE jobs.tb_job_run SET input_data = (repeat('[', 130) || repeat(']', 130))::jsonb
             WHERE correlation_id = 'it is too deep'",
        )
        .await;
    let worker = queue.worker().handle::<Pay>(|input, _| async move { Ok::<_, Infallible>(said(&input["say"])) });
    let worker = worker.start().await.unwrap();
    let ends = eventually(async || {
        let ends: Vec<End> = sqlx::query_as(
            "SELECT correlation_id, status, attempts, failure_class, error_message FROM jobs.v_job_run
             WHERE status NOT IN ('pending', 'running') ORDER BY pk_job_run",
        )
        .fetch_all(queue.database().pool())
        .await
        .unwrap();
        (ends.len() == 6).then_some(ends)
    })
    .await;
    for (what, status, attempts, class, message) in ends {
        if what == "good" {
            assert_eq!((status.as_str(), attempts), ("completed", 1));
            continue;
        }
        assert_eq!((status.as_str(), class.as_deref()), ("failed", Some("invalid_input")), "{what}");
        let message = message.unwrap_or_default();
        let expected = match what.as_str() {
            "it is out of range" => {
                format!("the input cannot be read: the number 1{}… is out of range", "0".repeat(39))
            }
            "it is too deep" => "the input cannot be read: it is nested deeper than 127 levels".to_owned(),
            "it is no object" => "the input is not an object".to_owned(),
            _ => "input_schema: $.say: expected text, got 5".to_owned(),
        };
        assert_eq!(message, expected, "{what}");
    }
    worker.shutdown().await.unwrap();
}

/// `work.echo`, by a handler that may answer anything.
struct Anything;

impl Operation for Anything {
    const SERVICE: &'static str = "work";
    const OPERATION: &'static str = "echo";
    type Input = HashMap<String, String>;
    type Output = serde_json::Value;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_nobody_can_read_is_lost_and_no_other() {
    let queue = Queue::new().await;
    let worker = queue
        .worker()
        .handle::<Anything>(|input, _| async move {
            let levels = if input["say"] == "deep" { 200 } else { 1 };
            let nested = (0..levels).fold(json!("fine"), |inner, _| json!({"said": inner}));
            Ok::<_, Infallible>(nested)
        })
        .start()
        .await
        .unwrap();
    let [fine, deep] = [queue.enqueue("echo", "fine").await, queue.enqueue("echo", "deep").await];
    assert_eq!(queue.outcome(fine).await.output, Some(json!({"said": "fine"})));
    let outcome = queue.outcome(deep).await;
    assert_eq!(outcome.class.as_deref(), Some("effect_result_lost"));
    let message = "the handler's output cannot be written as JSON: it is nested deeper than 127 levels";
    assert_eq!(outcome.message.as_deref(), Some(message));
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_claim_was_never_answered_is_given_back_and_called_once() {
    let queue = Queue::new().await;
    // The first claim is given up by its client, and then committed after all. No limit of a statement reaches a commit.
    queue
        .execute(
            "CREATE SEQUENCE public.claims;
             CREATE FUNCTION public.hang() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                 IF nextval('public.claims') = 1 THEN PERFORM pg_sleep(6.5); END IF;
                 RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON jobs.tb_job_lease DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION public.hang()",
        )
        .await;
    let id = queue.enqueue("pay", "x").await;
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let worker = queue
        .worker()
        .handle::<Pay>(move |_, _| {
            called.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, Infallible>(said("paid")) }
        })
        .start()
        .await
        .unwrap();
    let outcome = queue.outcome(id).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1), "{outcome:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let events: Vec<String> = sqlx::query_scalar("SELECT event FROM jobs.v_job_attempt ORDER BY at")
        .fetch_all(queue.database().pool())
        .await
        .unwrap();
    assert_eq!(events, ["claimed", "released", "claimed", "finished"]);
    worker.shutdown().await.unwrap();
}
