//! A database with the project's queue, and what a test asks of it.

use std::{ffi::OsStr, process::Command};

use specql_runtime::{Database, queue::Link, testing::TestDatabase, worker::WorkerBuilder};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use super::{
    Call, PROJECT,
    actions::task::{self, PayTask, RunTask, SqueezeTask},
    handler::{self, FAR_SIDE},
};
use crate::{process::Process, server::OwnServer};

/// A queue with nothing in it.
#[derive(Debug)]
pub struct Queue {
    database: Database,
    url: String,
    _test: Option<TestDatabase>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the columns of `jobs.tb_job_outcome`
pub struct Outcome {
    pub status: String,
    pub attempts: i32,
    pub failure_class: Option<String>,
    pub error_message: Option<String>,
}

/// All tasks, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Tasks that were committed.
    pub tasks: i64,
    /// Tasks without a job, or with more than one.
    pub lost: i64,
    /// Jobs that have no outcome.
    pub unfinished: i64,
    /// Jobs that completed.
    pub completed: i64,
    /// Finished jobs whose callbacks did not have their effect exactly once.
    pub miscounted: i64,
    /// Completed jobs that the far side knows nothing of.
    pub uncalled: i64,
    /// Jobs that may not be repeated and were.
    pub repeated: i64,
}

impl Queue {
    /// One on the tests' server.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn new() -> Self {
        let test = TestDatabase::migrated(&PROJECT).await.expect("a database");
        let queue = Self { database: test.database().clone(), url: test.url(), _test: Some(test) };
        queue.execute(FAR_SIDE).await;
        queue
    }

    /// One on a server of the test's own.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn on(server: &OwnServer) -> Self {
        let url = server.url();
        let pool = pool(&url).await;
        let database = Database::from_pool(pool, &PROJECT);
        database.migrate().await.expect("a fresh database");
        let queue = Self { database, url, _test: None };
        queue.execute(FAR_SIDE).await;
        queue
    }

    /// Its database.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// A pool of connections that a test's faults do not concern.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How it is reached.
    ///
    /// # Panics
    /// Never: its URL is one.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.url.parse().expect("a PostgreSQL URL")
    }

    /// A worker in this process.
    pub fn worker(&self) -> WorkerBuilder {
        handler::builder(&self.database, &self.options())
    }

    /// A worker in this process that reaches the queue by another URL.
    ///
    /// # Panics
    /// When the database does not answer there.
    pub async fn worker_through(&self, url: &str) -> WorkerBuilder {
        handler::builder(&Database::from_pool(pool(url).await, &PROJECT), &self.options())
    }

    /// A worker in a process of its own, of the package's binary `task-worker`.
    #[must_use]
    pub fn process(&self, binary: impl AsRef<OsStr>) -> Process {
        Process::start(&mut self.command(binary, &self.url))
    }

    /// The same, to be told more, with the queue behind another URL.
    #[must_use]
    pub fn command(&self, binary: impl AsRef<OsStr>, url: &str) -> Command {
        let mut command = Command::new(binary);
        command.env("DATABASE_URL", url).env("FAR_SIDE_URL", &self.url).env("RUST_BACKTRACE", "0");
        command
    }

    /// A connection as the worker's own are, with a limit on every call.
    #[must_use]
    pub fn link(&self, limit: std::time::Duration) -> Link {
        Link::new(&self.options(), "test", limit)
    }

    /// A task whose call may be repeated; its job.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn run(&self, how: &str) -> Uuid {
        let input = RunTask::builder().how(how).build();
        let sent = task::run_task(input).send(&self.database).await.expect("a task");
        sent.jobs[0].job_id
    }

    /// A task whose call may not be repeated; its job.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn pay(&self, how: &str) -> Uuid {
        let input = PayTask::builder().how(how).build();
        let sent = task::pay_task(input).send(&self.database).await.expect("a task");
        sent.jobs[0].job_id
    }

    /// A task of which only a few may be under way at once; its job.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn squeeze(&self, how: &str) -> Uuid {
        let input = SqueezeTask::builder().how(how).build();
        let sent = task::squeeze_task(input).send(&self.database).await.expect("a task");
        sent.jobs[0].job_id
    }

    /// Many tasks in one transaction.
    ///
    /// # Panics
    /// When they are refused.
    pub async fn run_many(&self, tasks: i32, how: &str) {
        let sql = "SELECT count((app.run_task(NULL, NULL, jsonb_build_object('how', $2))).status) FROM generate_series(1, $1)";
        sqlx::query(sql).bind(tasks).bind(how).execute(self.pool()).await.expect("tasks");
    }

    /// How a job ended, once it has.
    ///
    /// # Panics
    /// When that is not within a minute.
    pub async fn outcome(&self, job: Uuid) -> Outcome {
        let sql = "SELECT o.status, o.attempts, o.failure_class, o.error_message \
                   FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run) WHERE j.id = $1";
        let mut found = None;
        crate::process::eventually("the job ends", async || {
            let row: Option<(String, i32, Option<String>, Option<String>)> =
                sqlx::query_as(sql).bind(job).fetch_optional(self.pool()).await.expect("an answer");
            found = row;
            found.is_some()
        })
        .await;
        let (status, attempts, failure_class, error_message) = found.expect("it was found");
        Outcome { status, attempts, failure_class, error_message }
    }

    /// The calls of a job that the far side has seen, in their order.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn calls(&self, job: Uuid) -> Vec<Call> {
        let sql = "SELECT attempt, process, process_clock, at FROM far_side.tb_call WHERE job = $1 ORDER BY at";
        let rows = sqlx::query_as(sql).bind(job).fetch_all(self.pool()).await.expect("calls");
        rows.into_iter()
            .map(|(attempt, process, process_clock, at)| Call { attempt, process, process_clock, at })
            .collect()
    }

    /// How many calls a process has made.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn calls_of(&self, process: i32) -> i64 {
        let sql = "SELECT count(*) FROM far_side.tb_call WHERE process = $1";
        sqlx::query_scalar(sql).bind(process).fetch_one(self.pool()).await.expect("a number")
    }

    /// What a job that completed has answered.
    ///
    /// # Panics
    /// When it has not completed.
    pub async fn output(&self, job: Uuid) -> serde_json::Value {
        let sql = "SELECT o.output_data FROM jobs.tb_job_run AS j JOIN jobs.tb_job_outcome AS o USING (pk_job_run) WHERE j.id = $1";
        sqlx::query_scalar(sql).bind(job).fetch_one(self.pool()).await.expect("an output")
    }

    /// The calls of a job, once there are so many.
    ///
    /// # Panics
    /// When that is not within a minute.
    pub async fn called(&self, job: Uuid, times: usize) -> Vec<Call> {
        let mut calls = Vec::new();
        crate::process::eventually("the call is made", async || {
            calls = self.calls(job).await;
            calls.len() >= times
        })
        .await;
        calls
    }

    /// What has become of all tasks.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn standing(&self) -> Standing {
        let (tasks, lost, unfinished, completed, miscounted, uncalled, repeated) =
            sqlx::query_as(STANDING).fetch_one(self.pool()).await.expect("an answer");
        Standing { tasks, lost, unfinished, completed, miscounted, uncalled, repeated }
    }

    /// Waits until every job has ended, and checks what must hold: none lost, each callback's effect exactly once, no call
    /// repeated that may not be, and nothing left over in the queue's tables.
    ///
    /// # Panics
    /// When one of these does not hold.
    pub async fn at_rest(&self) -> Standing {
        crate::process::eventually("every job ends", async || self.standing().await.unfinished == 0).await;
        let standing = self.standing().await;
        let Standing { lost, miscounted, uncalled, repeated, .. } = standing;
        assert_eq!((lost, miscounted, uncalled, repeated), (0, 0, 0, 0), "{standing:?}");
        assert_eq!(self.left_over().await, Vec::<String>::new());
        standing
    }

    /// What finished jobs have left in the queue's tables, and leave there: a worker that goes on looking has a lock at this
    /// moment or that.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn left_over(&self) -> Vec<String> {
        let mut found = Vec::new();
        for _ in 0..50 {
            found = sqlx::query_scalar(LEFT_OVER).fetch_all(self.pool()).await.expect("an answer");
            if found.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        found
    }

    /// Makes leases look as if they had not been renewed for so long, of all workers or one process's.
    ///
    /// # Panics
    /// When the database refuses it.
    pub async fn age_leases(&self, interval: &str) {
        let sql = "UPDATE jobs.tb_job_lease SET renewed_at = coalesce(renewed_at, claimed_at) - $1::text::interval";
        sqlx::query(sql).bind(interval).execute(self.pool()).await.expect("leases");
    }

    /// A number.
    ///
    /// # Panics
    /// When the database refuses it.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs statements.
    ///
    /// # Panics
    /// When the database refuses them.
    pub async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Waits until a question of SQL is answered by true.
    ///
    /// # Panics
    /// When that is not within a minute.
    pub async fn until(&self, question: &'static str) {
        crate::process::eventually(question, async || {
            sqlx::query_scalar(question)
                .fetch_one(self.pool())
                .await
                .unwrap_or_else(|error| panic!("{question}: {error}"))
        })
        .await;
    }
}

async fn pool(url: &str) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(std::time::Duration::from_secs(60));
    pool.connect(url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// One row of [`Standing`].
const STANDING: &str = "
    WITH job AS (
        SELECT t.id AS task, t.done, t.failed, j.id, op.operation, o.status,
            (SELECT count(*) FROM far_side.tb_call AS c WHERE c.job = j.id) AS calls,
            count(*) OVER (PARTITION BY t.pk_task) AS jobs
        FROM work.tb_task AS t
        LEFT JOIN jobs.tb_job_run AS j ON j.entity_type = 'Task' AND j.entity_pk = t.pk_task
        LEFT JOIN jobs.tb_operation AS op ON op.code = j.operation_code
        LEFT JOIN jobs.tb_job_outcome AS o ON o.pk_job_run = j.pk_job_run)
    SELECT count(DISTINCT task) AS tasks,
        count(*) FILTER (WHERE id IS NULL OR jobs > 1) AS lost,
        count(*) FILTER (WHERE id IS NOT NULL AND status IS NULL) AS unfinished,
        count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE (done, failed) IS DISTINCT FROM
            CASE status WHEN 'completed' THEN (1, 0) WHEN 'failed' THEN (0, 1) ELSE (0, 0) END) AS miscounted,
        count(*) FILTER (WHERE status = 'completed' AND calls = 0) AS uncalled,
        count(*) FILTER (WHERE operation = 'pay' AND calls > 1) AS repeated
    FROM job";

/// What no finished job may leave behind. An ambiguous failure keeps its key on purpose.
const LEFT_OVER: &str = "
    SELECT 'a lease of job ' || pk_job_run FROM jobs.tb_job_lease
    UNION ALL SELECT 'ready: job ' || pk_job_run FROM jobs.tb_job_ready
    UNION ALL SELECT format('scheduled: job %s of %s, due in %s, put off %s times, after %s; last: %s', s.pk_job_run, o.service_name,
        s.run_at - clock_timestamp(), coalesce(s.put_off, 0), coalesce(s.after_pk::text, '-'),
        (SELECT concat_ws(' ', a.event, a.failure_class, a.message) FROM jobs.tb_job_attempt AS a
        WHERE a.pk_job_run = s.pk_job_run ORDER BY a.at DESC LIMIT 1))
    FROM jobs.tb_job_scheduled AS s JOIN jobs.tb_operation AS o ON o.code = s.operation_code
    UNION ALL SELECT 'a callback of job ' || pk_job_run FROM jobs.tb_job_callback
    UNION ALL SELECT 'the key of completed job ' || pk_job_run
        FROM jobs.tb_job_key JOIN jobs.tb_job_outcome USING (pk_job_run) WHERE rule <> 'once' AND status = 'completed'
    UNION ALL SELECT 'an advisory lock of process ' || pid
        FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND pid NOT IN (SELECT pid FROM pg_stat_activity WHERE state = 'active')";
