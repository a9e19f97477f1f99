//! Versions of a project, one queue, and what a test asks of it.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;
use specql_registry::Registry;
use specql_runtime::{
    Database, Project, Worker,
    client::Operation,
    queue::{Link, registration::operation_records},
    testing::TestDatabase,
    worker::WorkerBuilder,
};
use specql_tests::{compiled, compiled::queue_schema};
use uuid::Uuid;

pub(crate) type Json = HashMap<String, Value>;

/// `mailer.send`, served by a function.
pub(crate) struct Send;

impl Operation for Send {
    const SERVICE: &'static str = "mailer";
    const OPERATION: &'static str = "send";
    type Input = Json;
    type Output = Json;
}

/// A version of the project: a database as its binary sees it.
pub(crate) struct Version {
    database: Database,
    registry: Registry,
}

impl Version {
    /// A worker of this version that serves `mailer.send` and counts nothing.
    pub(crate) fn worker(&self) -> WorkerBuilder {
        self.silent_worker().handle::<Send>(|_, _| async { Ok::<_, std::convert::Infallible>(Json::new()) })
    }

    /// A worker of this version without a function of its own.
    pub(crate) fn silent_worker(&self) -> WorkerBuilder {
        Worker::builder(&self.database)
            .shutdown_timeout(Duration::from_secs(5))
            .readiness_interval(Duration::from_millis(50))
    }

    /// What `db.migrate()` tells the queue of this version.
    pub(crate) async fn announce(&self) {
        let options = self.database.pool().connect_options();
        let mut link = Link::new(&options, "migrate", Duration::from_secs(10));
        link.register_operations(&operation_records(&self.registry, None)).await.unwrap();
    }
}

/// `mailer.send` with the given fields, and what else is said of the service.
pub(crate) fn mailer(fields: &str, settings: &str) -> String {
    format!(
        "services:\n  - name: mailer\n    {settings}\n    operations:\n      \
         - {{name: send, input_schema: {{{fields}}}, output_schema: {{}}, idempotent: true}}\n"
    )
}

/// What was deployed, and its successor, whose input has an optional field more.
pub(crate) const OLD: &str = "n: integer!, note: text";
pub(crate) const NEW: &str = "n: integer!, note: text, urgent: boolean";
/// No settings.
pub(crate) const PLAIN: &str = "timeout: 30";

/// A database with an empty queue.
pub(crate) struct Queue {
    test: TestDatabase,
}

impl Queue {
    pub(crate) async fn new() -> Self {
        Self { test: TestDatabase::from_sql(&queue_schema().unwrap()).await.unwrap() }
    }

    /// The version of a project with this registry file.
    pub(crate) fn version(&self, registry: &str) -> Version {
        let project = compiled::files(&[("registry/service_registry.yaml", registry)]).unwrap();
        let registry = project.model.registry;
        let project = Project {
            name: "deployed",
            root: "",
            compiler_version: "",
            migrations: &[],
            registry: Box::leak(serde_json::to_string(&registry).unwrap().into_boxed_str()),
            uses_jobs: true,
            functions: &[],
        };
        let database = Database::from_pool(self.test.pool().clone(), Box::leak(Box::new(project)));
        Version { database, registry }
    }

    pub(crate) const fn pool(&self) -> &sqlx::PgPool {
        self.test.database().pool()
    }

    pub(crate) async fn enqueue(&self, operation: &str, input: Value) -> Uuid {
        let (service, operation) = operation.split_once('.').unwrap();
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue($1, $2, $3)")
            .bind(service)
            .bind(operation)
            .bind(input)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    pub(crate) async fn send(&self, input: Value) -> Uuid {
        self.enqueue("mailer.send", input).await
    }

    pub(crate) async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.pool()).await.unwrap();
    }

    /// Waits until this is so.
    pub(crate) async fn until(&self, sql: &'static str) {
        eventually(async || {
            let so: bool = sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap();
            so.then_some(())
        })
        .await;
    }

    /// `status/class after attempts: message` of a job that has ended.
    pub(crate) async fn outcome(&self, id: Uuid) -> String {
        let sql = "SELECT concat(o.status, '/' || o.failure_class, ' after ', o.attempts, ': ' || o.error_message)
                   FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run) WHERE j.id = $1";
        eventually(async || sqlx::query_scalar(sql).bind(id).fetch_optional(self.pool()).await.unwrap()).await
    }

    /// `status after attempts` of a job, wherever it stands.
    pub(crate) async fn standing(&self, id: Uuid) -> String {
        let sql = "SELECT concat(status, ' after ', attempts) FROM jobs.v_job_run WHERE id = $1";
        sqlx::query_scalar(sql).bind(id).fetch_one(self.pool()).await.unwrap()
    }
}

/// What `ask` finds, as soon as it finds it.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), found).await.expect("it never came about")
}
