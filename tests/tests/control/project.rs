//! Services in code with the settings that a test gives them, and what it asks of their queue.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use indexmap::IndexMap;
use specql_registry::{
    ExecutionType, FailureClass, Operation as Declared, Registry, Schema, Service,
    limits::{CircuitBreaker, Limits},
    service::{Call, Configuration, RetryPolicy, Unique},
};
use specql_runtime::{
    Database, Project, Worker,
    client::Operation,
    queue::{Link, registration::operation_records},
    runner::Failure,
    testing::TestDatabase,
    worker::WorkerBuilder,
};
use specql_tests::compiled::queue_schema;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

pub(crate) type Empty = HashMap<String, String>;

/// Operation `go` of a service.
macro_rules! service {
    ($type:ident, $name:literal) => {
        pub(crate) struct $type;
        impl Operation for $type {
            const SERVICE: &'static str = $name;
            const OPERATION: &'static str = "go";
            type Input = Empty;
            type Output = Empty;
        }
    };
}
service!(Mail, "mail");
service!(Backup, "backup");
service!(Other, "other");

/// What a test says of a service.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) fallback: Option<&'static str>,
    pub(crate) idempotent: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limits: Limits::default(), breaker: None, fallback: None, idempotent: true }
    }
}

fn declared(name: &str, settings: &Settings) -> Service {
    let operation = Declared {
        name: "go".into(),
        description: None,
        input: Schema::default(),
        output: Schema::default(),
        timeout_seconds: 30,
        max_attempts: 4,
        give_up_after_seconds: 86_400,
        unique: Unique::Never,
        idempotent: settings.idempotent,
        retry: RetryPolicy { initial_ms: 10, max_ms: 40, jitter: true },
        circuit_breaker: settings.breaker,
        call: Call::Handler,
    };
    Service {
        name: name.into(),
        kind: None,
        category: None,
        description: None,
        execution_type: ExecutionType::Http,
        limits: settings.limits,
        fallback: settings.fallback.map(str::to_owned),
        base: Configuration::Handler,
        environments: IndexMap::new(),
        operations: IndexMap::from([("go".to_owned(), operation)]),
    }
}

/// A database with an empty queue.
pub(crate) struct Queue {
    database: Database,
    _test: TestDatabase,
}

impl Queue {
    /// `mail` and `backup` as the test wants them; `other` has no settings.
    pub(crate) async fn new(mail: Settings, backup: Settings) -> Self {
        Self::of(&queue_schema().unwrap(), mail, backup).await
    }

    /// With partitions of a hundred jobs, not of a million; no service has settings.
    pub(crate) async fn with_small_partitions() -> Self {
        let schema = queue_schema().unwrap().replace("1000000", "100");
        Self::of(&schema, Settings::default(), Settings::default()).await
    }

    async fn of(schema: &str, mail: Settings, backup: Settings) -> Self {
        let test = TestDatabase::from_sql(schema).await.unwrap();
        let services = [("mail", mail), ("backup", backup), ("other", Settings::default())];
        let services = services.map(|(name, settings)| (name.to_owned(), declared(name, &settings)));
        let registry = Registry { services: IndexMap::from(services) };
        let project = Project {
            name: "test",
            root: "",
            compiler_version: "",
            migrations: &[],
            registry: Box::leak(serde_json::to_string(&registry).unwrap().into_boxed_str()),
            uses_jobs: true,
            functions: &[],
        };
        let database = Database::from_pool(test.pool().clone(), Box::leak(Box::new(project)));
        let mut link = Link::new(&test.pool().connect_options(), "test", Duration::from_secs(10));
        link.register_operations(&operation_records(&registry, None)).await.unwrap();
        Self { database, _test: test }
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.database.pool().connect_options().as_ref().clone()
    }

    pub(crate) fn worker(&self) -> WorkerBuilder {
        Worker::builder(&self.database).shutdown_timeout(Duration::from_secs(5))
    }

    pub(crate) async fn enqueue(&self, service: &str) -> Uuid {
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue($1, 'go')")
            .bind(service)
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }

    pub(crate) async fn cancel(&self, id: Uuid) -> String {
        sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(self.database.pool()).await.unwrap()
    }

    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    pub(crate) async fn status(&self, id: Uuid) -> String {
        let sql = "SELECT status FROM jobs.v_job_run WHERE id = $1";
        sqlx::query_scalar(sql).bind(id).fetch_one(self.database.pool()).await.unwrap()
    }

    pub(crate) async fn enqueue_many(&self, service: &str, jobs: i32, tenant: Option<Uuid>) {
        sqlx::query("SELECT jobs.enqueue_many($1, 'go', array_fill('{}'::jsonb, ARRAY[$2]), _tenant_id => $3)")
            .bind(service)
            .bind(jobs)
            .bind(tenant)
            .execute(self.database.pool())
            .await
            .unwrap();
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.database.pool()).await.unwrap()
    }

    /// The job that a statement queues, by its id.
    pub(crate) async fn queued_by(&self, sql: &'static str) -> Uuid {
        sqlx::query_scalar(sql).fetch_one(self.database.pool()).await.unwrap()
    }

    pub(crate) async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(self.database.pool()).await.unwrap()
    }

    /// Waits until this is so.
    pub(crate) async fn until(&self, sql: &'static str) {
        eventually(async || {
            let so: bool = sqlx::query_scalar(sql).fetch_one(self.database.pool()).await.unwrap();
            so.then_some(())
        })
        .await;
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.database.pool()).await.unwrap();
    }

    /// Jobs that are done, of one service.
    pub(crate) async fn done(&self, service: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM jobs.v_job_run AS j
            WHERE j.service_name = $1 AND j.status = 'completed'",
        )
        .bind(service)
        .fetch_one(self.database.pool())
        .await
        .unwrap()
    }

    pub(crate) async fn retry(&self, id: Uuid) {
        sqlx::query("SELECT jobs.retry($1)").bind(id).execute(self.database.pool()).await.unwrap();
    }

    pub(crate) async fn until_done(&self, service: &str, jobs: i64) {
        eventually(async || (self.done(service).await >= jobs).then_some(())).await;
    }

    /// `status`, `status/class` of a job that is over, its attempts, and what served it if that was not its own service.
    pub(crate) async fn outcome(&self, id: Uuid) -> (String, i32, Option<String>) {
        let sql = "SELECT concat_ws('/', o.status, o.failure_class), o.attempts, o.resource_usage ->> 'served_by' \
                   FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run) WHERE j.id = $1";
        eventually(async || sqlx::query_as(sql).bind(id).fetch_optional(self.database.pool()).await.unwrap()).await
    }
}

/// What `ask` finds, as soon as it finds it.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), found).await.expect("it never came about")
}

/// Counts the calls of a handler, and how many ran at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    made: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Calls {
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// A call that takes so long.
    pub(crate) async fn call(&self, takes: Duration) {
        self.made.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(takes).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn fails(class: FailureClass) -> Failure {
    Failure::new(class, "it does not work")
}
