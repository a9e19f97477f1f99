//! A project with two operations in code, its queue, and what a test asks of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use indexmap::IndexMap;
use serde_json::{Value, json};
use specql_registry::{
    Basic, ExecutionType, Operation as Declared, Registry, Schema, SchemaField, Service, ValueType,
    service::{Call, Configuration, RetryPolicy, Unique},
};
use specql_runtime::{
    Database, Project, Worker, client::Operation, queue::Link, queue::registration::operation_records,
    testing::TestDatabase, worker::WorkerBuilder,
};
use specql_tests::compiled::queue_schema;
use uuid::Uuid;

/// `work.echo`: idempotent.
pub(crate) struct Echo;
/// `work.pay`: not idempotent.
pub(crate) struct Pay;

impl Operation for Echo {
    const SERVICE: &'static str = "work";
    const OPERATION: &'static str = "echo";
    type Input = HashMap<String, String>;
    type Output = HashMap<String, String>;
}

impl Operation for Pay {
    const SERVICE: &'static str = "work";
    const OPERATION: &'static str = "pay";
    type Input = HashMap<String, String>;
    type Output = HashMap<String, String>;
}

pub(crate) fn said(text: &str) -> HashMap<String, String> {
    HashMap::from([("said".to_owned(), text.to_owned())])
}

fn field(name: &str) -> Schema {
    let field = SchemaField { ty: ValueType::Basic(Basic::Text), required: false, default: None, description: None };
    Schema { fields: IndexMap::from([(name.to_owned(), field)]) }
}

pub(crate) fn operation(name: &str, idempotent: bool) -> Declared {
    Declared {
        name: name.into(),
        description: None,
        input: field("say"),
        output: field("said"),
        timeout_seconds: 30,
        max_attempts: 3,
        give_up_after_seconds: 86_400,
        unique: Unique::Never,
        idempotent,
        retry: RetryPolicy { initial_ms: 10, max_ms: 40, jitter: true },
        circuit_breaker: None,
        call: Call::Handler,
    }
}

fn registry() -> Registry {
    registry_of([operation("echo", true), operation("pay", false)], Configuration::Handler)
}

/// The service `work` with these operations.
pub(crate) fn registry_of(operations: impl IntoIterator<Item = Declared>, base: Configuration) -> Registry {
    let service = Service {
        name: "work".into(),
        kind: None,
        category: None,
        description: None,
        execution_type: ExecutionType::Http,
        limits: specql_registry::limits::Limits::default(),
        fallback: None,
        base,
        environments: IndexMap::new(),
        operations: operations.into_iter().map(|operation| (operation.name.clone(), operation)).collect(),
    };
    Registry { services: IndexMap::from([("work".to_owned(), service)]) }
}

/// A database with an empty queue.
pub(crate) struct Queue {
    database: Database,
    _test: TestDatabase,
}

/// How a job ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: String,
    pub(crate) attempts: i32,
    pub(crate) class: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) output: Option<Value>,
}

impl Queue {
    pub(crate) async fn new() -> Self {
        Self::with(&registry()).await
    }

    /// With other operations than `echo` and `pay`.
    pub(crate) async fn with(registry: &Registry) -> Self {
        let test = TestDatabase::from_sql(&queue_schema().unwrap()).await.unwrap();
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
        let mut link = Link::new(&test.pool().connect_options(), "test", Duration::from_secs(10));
        link.register_operations(&operation_records(registry, None)).await.unwrap();
        Self { database, _test: test }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn worker(&self) -> WorkerBuilder {
        Worker::builder(&self.database).shutdown_timeout(Duration::from_secs(5))
    }

    pub(crate) async fn enqueue(&self, operation: &str, say: &str) -> Uuid {
        self.enqueue_input(operation, json!({"say": say})).await
    }

    pub(crate) async fn enqueue_input(&self, operation: &str, input: Value) -> Uuid {
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('work', $1, $2)")
            .bind(operation)
            .bind(input)
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }

    /// One that is unique while it is in flight.
    pub(crate) async fn enqueue_keyed(&self, operation: &str, key: &str) -> Uuid {
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('work', $1, '{}', $2, 'in_flight')")
            .bind(operation)
            .bind(key)
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }

    /// How the job ended, once it has.
    pub(crate) async fn outcome(&self, id: Uuid) -> Outcome {
        let sql = "SELECT o.status, o.attempts, o.failure_class, o.error_message, o.output_data \
                   FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run) WHERE j.id = $1";
        let found = eventually(async || {
            sqlx::query_as::<_, (String, i32, Option<String>, Option<String>, Option<Value>)>(sql)
                .bind(id)
                .fetch_optional(self.database.pool())
                .await
                .unwrap()
        })
        .await;
        let (status, attempts, class, message, output) = found;
        Outcome { status, attempts, class, message, output }
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.database.pool()).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.database.pool()).await.unwrap();
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

/// A counter that handlers share with the test.
pub(crate) type Calls = Arc<std::sync::atomic::AtomicUsize>;
