//! Two versions of a project at work on one queue.

use std::convert::Infallible;

use specql_runtime::{Database, Project, Worker};
use specql_tests::{
    compiled,
    process::eventually,
    work::{
        PROJECT, Queue,
        services::work::{Run, RunOutput},
    },
};
use sqlx::PgPool;

/// A database as a binary with this registry sees it.
fn with_registry(pool: &PgPool, registry: String) -> Database {
    let project = Project {
        name: PROJECT.name,
        root: "",
        compiler_version: PROJECT.compiler_version,
        migrations: PROJECT.migrations,
        registry: Box::leak(registry.into_boxed_str()),
        uses_jobs: true,
        functions: &[],
    };
    Database::from_pool(pool.clone(), Box::leak(Box::new(project)))
}

/// A worker of a binary whose registry is empty.
pub(crate) async fn worker_that_knows_nothing(queue: &Queue) -> Worker {
    Worker::builder(&with_registry(queue.pool(), "{\"services\":{}}".into())).start().await.unwrap()
}

/// A worker of a binary from before `pay` was written.
async fn older_worker(queue: &Queue) -> Worker {
    let mut registry: serde_json::Value = serde_json::from_str(PROJECT.registry).unwrap();
    let operations = registry["services"]["work"]["operations"].as_object_mut().unwrap();
    operations.remove("pay").expect("the operation is there");
    let older = Worker::builder(&with_registry(queue.pool(), registry.to_string()));
    older.handle::<Run>(|_, _| async { Ok::<_, Infallible>(RunOutput { process: -1 }) }).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_worker_leaves_the_jobs_of_a_newer_operation_alone() {
    let queue = Queue::new().await;
    let older = older_worker(&queue).await;
    let pay = queue.pay("now").await;
    let run = queue.run("now").await;
    assert_eq!(queue.outcome(run).await.status, "completed");
    let untouched = "SELECT count(*) FROM jobs.tb_job_ready WHERE epoch IS NULL AND attempts IS NULL";
    assert_eq!(queue.count(untouched).await, 1);

    let newer = queue.worker().start().await.unwrap();
    assert_eq!(queue.outcome(pay).await.attempts, 1);
    // One that starts after the newer one takes nothing from it.
    older.shutdown().await.unwrap();
    let older = older_worker(&queue).await;
    let pay = queue.pay("now").await;
    assert_eq!(queue.outcome(pay).await.status, "completed");
    assert_eq!(queue.calls(pay).await.len(), 1);
    assert_eq!(queue.left_over().await, Vec::<String>::new());
    older.shutdown().await.unwrap();
    newer.shutdown().await.unwrap();
}

/// A service on this machine, which only a policy that says so may call.
fn registry(policy: &str) -> String {
    let text = format!(
        "\
services:
  - name: near
    runner_config: {{base_url: https://near.example.com}}
    environments:
      dev:
        development: true
        runner_config: {{base_url: {{env: NEAR_URL}}, plaintext: true}}
        security_policy: {{{policy}}}
    operations:
      - {{name: ask, method: GET, path: /, max_retries: 1, give_up_after: 1s, output_schema: {{text: text}}}}
"
    );
    let project = compiled::files(&[("registry/near.yaml", &text)]).unwrap();
    serde_json::to_string(&project.model.registry).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_worker_decides_and_not_that_of_the_jobs_queueing() {
    let queue = Queue::new().await;
    let lax = with_registry(queue.pool(), registry("allow_private_network: true"));
    let strict = with_registry(queue.pool(), registry(""));
    let enqueue = async || -> uuid::Uuid {
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('near', 'ask')").fetch_one(queue.pool()).await.unwrap()
    };
    let worker = Worker::builder(&lax).environment("dev").env("NEAR_URL", "http://127.0.0.1:9").start().await.unwrap();
    let allowed = queue.outcome(enqueue().await).await;
    assert_eq!(allowed.failure_class.as_deref(), Some("not_started"), "nobody listens there: {allowed:?}");
    worker.shutdown().await.unwrap();

    const CLAIMS: &str = "SELECT count(*) FROM jobs.v_job_attempt WHERE event = 'claimed'";
    let claims = queue.count(CLAIMS).await;
    let queued_under_the_lax_one = enqueue().await;
    let worker =
        Worker::builder(&strict).environment("dev").env("NEAR_URL", "http://127.0.0.1:9").start().await.unwrap();
    // It takes no job of a service whose address its own policy forbids.
    eventually("the worker says why it is not ready", async || {
        let told = "SELECT count(*) FROM jobs.v_not_ready WHERE reason LIKE '%NEAR_URL%'";
        queue.count(told).await > 0
    })
    .await;
    assert_eq!(queue.count(CLAIMS).await, claims);
    worker.shutdown().await.unwrap();
    let worker = Worker::builder(&lax).environment("dev").env("NEAR_URL", "http://127.0.0.1:9").start().await.unwrap();
    let allowed = queue.outcome(queued_under_the_lax_one).await;
    assert_eq!(allowed.failure_class.as_deref(), Some("not_started"), "{allowed:?}");
    worker.shutdown().await.unwrap();
}
