//! A service that says when it wants to be asked again.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse as _, Response},
    routing::post,
};
use specql_runtime::{Database, Project, Worker, queue::registration::operation_records};
use specql_tests::compiled;

use crate::project::eventually;

const REGISTRY: &str = "\
services:
  - name: narrow
    retry: {initial: 10ms, max: 40ms}
    runner_config: {base_url: 'https://narrow.example.com'}
    environments:
      dev:
        development: true
        runner_config: {base_url: {env: NARROW_URL}, plaintext: true}
        security_policy: {allow_private_network: true}
    operations:
      - {name: go, path: /go, idempotent: false}
";

/// Takes one call a second.
async fn go(State(last): State<Arc<Mutex<Option<Instant>>>>) -> Response {
    let mut last = last.lock().unwrap();
    if last.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")]).into_response();
    }
    *last = Some(Instant::now());
    "{}".into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_jobs_of_a_service_that_takes_one_a_second_are_all_done_with_one_attempt_each() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/go", post(go)).with_state(Arc::default());
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let compiled = compiled::files(&[("registry/service_registry.yaml", REGISTRY)]).unwrap();
    let test = compiled::database(&compiled).await.unwrap();
    let registry = &compiled.model.registry;
    let project = Project {
        name: "test",
        root: "",
        compiler_version: "",
        migrations: &[],
        registry: Box::leak(serde_json::to_string(registry).unwrap().into_boxed_str()),
        uses_jobs: true,
        functions: &[],
    };
    let database = Database::from_pool(test.pool().clone(), Box::leak(Box::new(project)));
    sqlx::query("SELECT jobs.register_operations($1)")
        .bind(operation_records(registry, Some("dev")))
        .execute(test.pool())
        .await
        .unwrap();
    let worker = Worker::builder(&database).environment("dev").env("NARROW_URL", &url).start().await.unwrap();
    sqlx::query("SELECT jobs.enqueue_many('narrow', 'go', array_fill('{}'::jsonb, ARRAY[10]))")
        .execute(test.pool())
        .await
        .unwrap();

    let ended =
        "SELECT count(*), count(*) FILTER (WHERE status = 'completed' AND attempts = 1) FROM jobs.tb_job_outcome";
    let (_, well): (i64, i64) = eventually(async || {
        let ended: (i64, i64) = sqlx::query_as(ended).fetch_one(test.pool()).await.unwrap();
        (ended.0 == 10).then_some(ended)
    })
    .await;
    assert_eq!(well, 10, "the others failed, or used attempts up");
    worker.shutdown().await.unwrap();
    server.abort();
}
