//! A service for which a worker lacks a credential waits, and is seen to; the others are served.

use std::sync::{Arc, Mutex};

use axum::{Router, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use specql_registry::FailureClass;
use specql_runtime::runner::Failure;
use specql_tests::logged;

use crate::project::{PLAIN, Queue, Send, eventually, mailer};

/// Answers every call, and keeps the `Authorization` that it came with.
struct FarSide {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl FarSide {
    async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let answer = move |headers: HeaderMap| async move {
            let said = headers["authorization"].to_str().unwrap().to_owned();
            kept.lock().unwrap().push(said);
            "{}"
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/bill", post(answer))).await });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// `billing.bill` over HTTP with this token; `mailer.send` in code.
fn registry(token: &str) -> String {
    let billing = format!(
        "  - name: billing
    runner_config: {{base_url: {{env: BILLING_URL}}, auth: {{type: bearer, token: {token}}}, plaintext: true}}
    security_policy: {{allow_private_network: true}}
    environments: {{dev: {{development: true}}}}
    operations:
      - {{name: bill, path: /bill, input_schema: {{n: integer!}}, output_schema: {{}}, idempotent: true}}
"
    );
    mailer("n: integer!", PLAIN) + &billing
}

const LACKING: &str = "SELECT coalesce(max(reason), '') FROM jobs.v_not_ready";
const SERVED: &str = "SELECT (capabilities -> 'operations')::text FROM jobs.v_worker";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_its_credential_waits_until_it_is_there() {
    let queue = Queue::new().await;
    let far_side = FarSide::start().await;
    let secrets = tempfile::tempdir().unwrap();
    let version = queue.version(&registry("{secret: billing_token}"));
    let worker = version
        .worker()
        .environment("dev")
        .env("BILLING_URL", &far_side.url)
        .env("SPECQL_SECRETS_DIR", secrets.path().to_str().unwrap())
        .start()
        .await
        .unwrap();
    let bill = queue.enqueue("billing.bill", json!({"n": 1})).await;
    let send = queue.send(json!({"n": 1})).await;
    assert_eq!(queue.outcome(send).await, "completed after 1", "others are served");
    assert_eq!(queue.standing(bill).await, "pending after 0");
    let reason = queue.text(LACKING).await;
    assert!(reason.starts_with("auth `token`: secret `billing_token` cannot be read"), "{reason}");
    assert_eq!(queue.text(SERVED).await, r#"["mailer.send"]"#);

    std::fs::write(secrets.path().join("billing_token"), "hunter2hunter2\n").unwrap();
    assert_eq!(queue.outcome(bill).await, "completed after 1", "without a restart");
    assert_eq!(far_side.seen(), ["Bearer hunter2hunter2"]);
    eventually(async || (queue.text(LACKING).await.is_empty()).then_some(())).await;
    assert_eq!(queue.text(SERVED).await, r#"["billing.bill", "mailer.send"]"#);

    std::fs::remove_file(secrets.path().join("billing_token")).unwrap();
    eventually(async || (!queue.text(LACKING).await.is_empty()).then_some(())).await;
    let bill = queue.enqueue("billing.bill", json!({"n": 2})).await;
    let send = queue.send(json!({"n": 2})).await;
    queue.outcome(send).await;
    assert_eq!(queue.standing(bill).await, "pending after 0", "nor is it burnt when the secret goes");
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_that_has_it_serves_it() {
    let queue = Queue::new().await;
    let far_side = FarSide::start().await;
    let version = queue.version(&registry("{env: BILLING_TOKEN}"));
    let with = |token: Option<&str>| {
        let worker = version.worker().environment("dev").env("BILLING_URL", &far_side.url);
        match token {
            Some(token) => worker.env("BILLING_TOKEN", token),
            None => worker,
        }
    };
    let without = with(None).start().await.unwrap();
    let reason = queue.text(LACKING).await;
    assert_eq!(reason, "auth `token`: environment variable `BILLING_TOKEN` is not set");
    let bill = queue.enqueue("billing.bill", json!({"n": 1})).await;
    // With the line break that `$'token\n'` leaves.
    let has_it = with(Some("hunter2hunter2\n")).start().await.unwrap();
    assert_eq!(queue.text(LACKING).await, "", "one that serves it is enough");
    assert_eq!(queue.outcome(bill).await, "completed after 1");
    assert_eq!(far_side.seen(), ["Bearer hunter2hunter2"]);
    has_it.shutdown().await.unwrap();
    without.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_missing_is_said_in_one_line_for_each_service() {
    let queue = Queue::new().await;
    let twice = registry("{env: BILLING_TOKEN}")
        + "      - {name: refund, path: /refund, input_schema: {n: integer!}, output_schema: {}}\n";
    let version = queue.version(&twice);
    logged::keep();
    let worker = version.worker().environment("dev").env("BILLING_TOKEN", "hunter2\nhunter2").start().await.unwrap();
    let said = logged::take();
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{said}");
    for part in
        ["service `billing`", "base_url: environment variable `BILLING_URL` is not set", "`BILLING_TOKEN` is of no use"]
    {
        assert!(warnings[0].contains(part), "{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    worker.shutdown().await.unwrap();
}

/// Failed they would all be, and their `on_failure` run, before anybody has read the address again.
#[tokio::test]
async fn an_address_that_cannot_be_called_burns_no_job() {
    let queue = Queue::new().await;
    let version = queue.version(&registry("{env: BILLING_TOKEN}"));
    let mut bills = Vec::new();
    for wrong in ["nonsense", "ftp://x.eu", "https://", "http://user@x.eu"] {
        let with = |url: &str| {
            version.worker().environment("dev").env("BILLING_URL", url).env("BILLING_TOKEN", "hunter2hunter2")
        };
        logged::keep();
        let worker = with(wrong).start().await.unwrap();
        let bill = queue.enqueue("billing.bill", json!({"n": 1})).await;
        bills.push(bill);
        let send = queue.send(json!({"n": 1})).await;
        assert_eq!(queue.outcome(send).await, "completed after 1", "others are served");
        assert_eq!(queue.standing(bill).await, "pending after 0", "{wrong}");
        let reason = queue.text(LACKING).await;
        assert!(reason.starts_with("base_url: environment variable `BILLING_URL` is of no use: "), "{reason}");
        assert!(logged::take().contains(&reason), "{reason}");
        assert_eq!(queue.text(SERVED).await, r#"["mailer.send"]"#);
        worker.shutdown().await.unwrap();
    }
    let far_side = FarSide::start().await;
    let right = version.worker().environment("dev").env("BILLING_URL", &far_side.url);
    let right = right.env("BILLING_TOKEN", "hunter2hunter2").start().await.unwrap();
    for bill in bills {
        assert_eq!(queue.outcome(bill).await, "completed after 1");
    }
    right.shutdown().await.unwrap();
}

/// A fallback that lacks its credential would refuse the job for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_lacks_something_is_not_called() {
    let queue = Queue::new().await;
    let text = "\
services:
  - name: mailer
    fallback: backup
    operations:
      - {name: send, input_schema: {n: integer!}, output_schema: {}, idempotent: true}
  - name: backup
    runner_config: {base_url: \"https://backup.example.eu\", auth: {type: bearer, token: {env: BACKUP_TOKEN}}}
    operations:
      - {name: send, path: /send, input_schema: {n: integer!}, output_schema: {}, idempotent: true}
";
    let version = queue.version(text);
    let worker = version
        .silent_worker()
        .handle::<Send>(|_, _| async {
            Err::<std::collections::HashMap<String, Value>, _>(Failure::new(FailureClass::NoCapacity, "no room"))
        })
        .start()
        .await
        .unwrap();
    let send = queue.send(json!({"n": 1})).await;
    queue.until("SELECT EXISTS (SELECT FROM jobs.v_job_attempt WHERE event = 'finished')").await;
    let how = "SELECT string_agg(DISTINCT concat(event, ' ', failure_class, ' ', message), ', ') FROM jobs.v_job_attempt WHERE event <> 'claimed'";
    assert_eq!(queue.text(how).await, "finished no_capacity no room");
    assert_ne!(queue.standing(send).await, "failed after 1");
    worker.shutdown().await.unwrap();
}
