//! Workers of binaries from before registries were told apart: they register without saying more, over one connection.

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgConnection};
use uuid::Uuid;

use crate::project::{NEW, PLAIN, Queue, mailer};

/// What such a binary says of `mailer.send`, whose policy's hash knows nothing of schemas.
fn records() -> Value {
    json!([{
        "service": "mailer", "operation": "send", "execution_type": "http", "timeout_seconds": 10, "max_attempts": 3,
        "unique": "in_flight", "idempotent": true, "breaker": false, "fallback": false, "concurrency": 2,
        "rate_starts": null, "rate_period_ms": null, "environment": null, "policy_hash": "of the call alone",
        "runner_config": {}, "security_context": {}
    }])
}

struct Older {
    connection: PgConnection,
    worker: Uuid,
    codes: Vec<i32>,
}

impl Older {
    async fn start(queue: &Queue) -> Self {
        let mut connection = queue.pool().connect_options().as_ref().clone().connect().await.unwrap();
        let codes: Vec<i32> =
            sqlx::query_as("SELECT code, service_name, operation, limit_code FROM jobs.register_operations($1)")
                .bind(records())
                .fetch_all(&mut connection)
                .await
                .unwrap()
                .into_iter()
                .map(|(code, _, _, _): (i32, String, String, Option<i32>)| code)
                .collect();
        let worker = Uuid::new_v4();
        sqlx::query("SELECT jobs.register_worker($1, $2, $3, $4)")
            .bind(worker)
            .bind("deployed")
            .bind("0.1.0")
            .bind(json!({"operations": ["mailer.send"], "environment": null, "concurrency": 100}))
            .execute(&mut connection)
            .await
            .unwrap();
        Self { connection, worker, codes }
    }

    /// Claims a job, and says that its input does not fit; what becomes of it.
    async fn cannot_read_the_next_one(&mut self) -> String {
        let (pk, epoch): (i64, i32) =
            sqlx::query_as("SELECT pk_job_run, epoch FROM jobs.claim($1, $2, 1, true, '{}', '{}')")
                .bind(self.worker)
                .bind(&self.codes)
                .fetch_one(&mut self.connection)
                .await
                .unwrap();
        sqlx::query_scalar(
            "SELECT result FROM jobs.fail($1, ARRAY[$2], ARRAY[$3], '{invalid_input}', '{no field urgent}',
                ARRAY[NULL::bigint], '{true}', ARRAY['{}'::jsonb])",
        )
        .bind(self.worker)
        .bind(pk)
        .bind(epoch)
        .fetch_one(&mut self.connection)
        .await
        .unwrap()
    }
}

const TIMEOUT: &str = "SELECT timeout_seconds::bigint FROM jobs.tb_operation";

#[tokio::test(flavor = "multi_thread")]
async fn one_that_starts_after_a_newer_one_reverts_nothing_and_loses_no_job() {
    let queue = Queue::new().await;
    let new = queue.version(&mailer(NEW, PLAIN));
    // Without a function: it claims nothing.
    let newer = new.silent_worker().start().await.unwrap();
    let mut older = Older::start(&queue).await;
    assert_eq!(queue.count(TIMEOUT).await, 30);
    let urgent = queue.send(json!({"n": 1, "urgent": true})).await;
    assert_eq!(older.cannot_read_the_next_one().await, "retrying");
    assert_eq!(queue.standing(urgent).await, "pending after 0");
    newer.shutdown().await.unwrap();
    assert_eq!(queue.count(TIMEOUT).await, 10, "rolled back to it");

    let newer = new.worker().start().await.unwrap();
    assert_eq!(queue.outcome(urgent).await, "completed after 1");
    newer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_it_is_in_force_and_judges() {
    let queue = Queue::new().await;
    let mut older = Older::start(&queue).await;
    assert_eq!(queue.count(TIMEOUT).await, 10);
    queue.send(json!({"n": 1, "urgent": true})).await;
    assert_eq!(older.cannot_read_the_next_one().await, "failed");
}
