//! What a customer and an operator do, and a worker's part done by hand.

use std::{process::Command, time::Duration};

use specql_runtime::{Worker, testing::TestDatabase};
use specql_tests::process::{Process, eventually};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::bank::Bank;

#[allow(missing_docs)] // generated
mod generated {
    specql_macros::specql!("project");
}
use generated::{
    PROJECT,
    actions::order::{self, ChargeOrder, OpenOrder, TopUpOrder, TransferOrder},
};

/// Which call a customer's click makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// The bank recognises a repeated call by its key.
    Charge,
    /// It does not.
    Transfer,
    /// A charge that may be made again once it is done (`in_flight`); the others are `once`.
    TopUp,
}

/// What a click came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clicked {
    pub(crate) job: Uuid,
    pub(crate) deduplicated: bool,
}

/// A lease of a worker by hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pk: i64,
    epoch: i32,
}

/// What has become of a job's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Nobody knows that nothing happened: the same job, or none.
    Kept,
    /// Nothing has happened: another job may do it.
    Released,
}

/// A shop's database and its bank.
pub(crate) struct Till {
    db: TestDatabase,
    pub(crate) bank: Bank,
    by_hand: Uuid,
}

impl Till {
    pub(crate) async fn open() -> Self {
        let db = TestDatabase::migrated(&PROJECT).await.unwrap();
        let by_hand = Uuid::new_v4();
        sqlx::query("SELECT jobs.register_worker($1, 'by hand', '1', '{}')")
            .bind(by_hand)
            .execute(db.pool())
            .await
            .unwrap();
        Self { db, bank: Bank::open().await, by_hand }
    }

    /// Makes a mistake in a function of the queue.
    pub(crate) async fn with_mistake(self, function: &str, from: &str, to: &str) -> Self {
        let sql = "SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p
            WHERE p.pronamespace = 'jobs'::regnamespace AND p.proname = $1";
        let source: String = sqlx::query_scalar(sql).bind(function).fetch_one(self.db.pool()).await.unwrap();
        assert!(source.contains(from), "jobs.{function} has no `{from}`");
        sqlx::raw_sql(AssertSqlSafe(source.replace(from, to))).execute(self.db.pool()).await.unwrap();
        self
    }

    pub(crate) const fn db(&self) -> &TestDatabase {
        &self.db
    }

    /// An order, which is to be paid for once.
    pub(crate) async fn order(&self) -> Uuid {
        let opened = order::open_order(OpenOrder::builder().build()).send(self.db.database()).await.unwrap();
        opened.id.unwrap()
    }

    /// The customer clicks.
    pub(crate) async fn click(&self, call: Call, order: Uuid) -> Clicked {
        let db = self.db.database();
        let jobs = match call {
            Call::Charge => order::charge_order(ChargeOrder::builder().id(order).build()).send(db).await.unwrap().jobs,
            Call::Transfer => {
                order::transfer_order(TransferOrder::builder().id(order).build()).send(db).await.unwrap().jobs
            }
            Call::TopUp => order::top_up_order(TopUpOrder::builder().id(order).build()).send(db).await.unwrap().jobs,
        };
        Clicked { job: jobs[0].job_id, deduplicated: jobs[0].deduplicated }
    }

    /// The operator tries again; or SQLSTATE and message of the refusal.
    pub(crate) async fn retry(&self, job: Uuid) -> Result<Uuid, (String, String)> {
        let retried = sqlx::query_scalar("SELECT jobs.retry($1)").bind(job).fetch_one(self.db.pool()).await;
        retried.map_err(|error| {
            let error = error.into_database_error().unwrap();
            (error.code().unwrap_or_default().into_owned(), error.message().to_owned())
        })
    }

    pub(crate) async fn cancel(&self, job: Uuid) -> String {
        sqlx::query_scalar("SELECT jobs.cancel($1)").bind(job).fetch_one(self.db.pool()).await.unwrap()
    }

    /// `status` or `status/class`.
    pub(crate) async fn state(&self, job: Uuid) -> String {
        let sql = "SELECT concat_ws('/', status, failure_class) FROM jobs.v_job_run WHERE id = $1";
        sqlx::query_scalar(sql).bind(job).fetch_one(self.db.pool()).await.unwrap()
    }

    /// The same, once the job has ended.
    pub(crate) async fn end(&self, job: Uuid) -> String {
        let sql =
            "SELECT EXISTS (SELECT FROM jobs.tb_job_outcome JOIN jobs.tb_job_run USING (pk_job_run) WHERE id = $1)";
        eventually("the job ends", async || sqlx::query_scalar(sql).bind(job).fetch_one(self.db.pool()).await.unwrap())
            .await;
        self.state(job).await
    }

    /// How often the callbacks of an order's calls have had their effect: `(done, failed)`.
    pub(crate) async fn called_back(&self, order: Uuid) -> (i32, i32) {
        let sql = "SELECT done, failed FROM sales.tb_order WHERE id = $1";
        sqlx::query_as(sql).bind(order).fetch_one(self.db.pool()).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.db.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Waits until a question of SQL is answered by true.
    pub(crate) async fn until(&self, question: &'static str) {
        eventually(question, async || sqlx::query_scalar(question).fetch_one(self.db.pool()).await.unwrap()).await;
    }

    /// Whoever holds a lease has been silent for too long.
    pub(crate) async fn rescue(&self) {
        self.execute(
            "UPDATE jobs.tb_job_lease SET renewed_at = coalesce(renewed_at, claimed_at) - interval '11 seconds'; SELECT jobs.rescue()",
        )
        .await;
    }

    /// Claims the one job that is ready.
    pub(crate) async fn claim(&self) -> Lease {
        let sql = "SELECT pk_job_run, epoch FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1, true)";
        let (pk, epoch) = sqlx::query_as(sql).bind(self.by_hand).fetch_one(self.db.pool()).await.unwrap();
        Lease { pk, epoch }
    }

    /// Reports that the call failed with this class; a wait in milliseconds wants another attempt.
    pub(crate) async fn fail(&self, lease: Lease, class: &str, retry_in_ms: Option<i64>, counted: bool) {
        let sql = "SELECT result FROM jobs.fail($1, ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY['by hand'], ARRAY[$5::bigint], \
                   ARRAY[$6], NULL)";
        let result: String = sqlx::query_scalar(sql)
            .bind(self.by_hand)
            .bind(lease.pk)
            .bind(lease.epoch)
            .bind(class)
            .bind(retry_in_ms)
            .bind(counted)
            .fetch_one(self.db.pool())
            .await
            .unwrap();
        let expected = match class {
            "cancelled" => "cancelled",
            _ if retry_in_ms.is_some() => "retrying",
            _ => "failed",
        };
        assert_eq!(result, expected, "after {class}");
    }

    /// Reports that the call was answered.
    pub(crate) async fn complete(&self, lease: Lease) {
        let sql =
            "SELECT jobs.complete($1, ARRAY[$2], ARRAY[$3], ARRAY['{\"id\": \"ch\"}'::jsonb], ARRAY[NULL::jsonb])";
        sqlx::query(sql).bind(self.by_hand).bind(lease.pk).bind(lease.epoch).execute(self.db.pool()).await.unwrap();
    }

    /// Gives a job back that was claimed and not started.
    pub(crate) async fn release(&self, lease: Lease) {
        sqlx::query("SELECT jobs.release($1, ARRAY[$2], ARRAY[$3])")
            .bind(self.by_hand)
            .bind(lease.pk)
            .bind(lease.epoch)
            .execute(self.db.pool())
            .await
            .unwrap();
    }

    /// Makes every callback that succeeds raise, and has those that wait tried until they are given up.
    pub(crate) async fn give_callbacks_up(&self, lease: Lease) {
        self.execute("ALTER TABLE sales.tb_order ADD CONSTRAINT broken CHECK (done = 0) NOT VALID").await;
        self.complete(lease).await;
        let due =
            "UPDATE jobs.tb_job_callback SET run_at = now() WHERE run_at IS NOT NULL; SELECT jobs.run_callbacks()";
        let given_up = "SELECT EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = $1)";
        eventually("the callback is given up", async || {
            self.execute(due).await;
            sqlx::query_scalar(given_up).bind(lease.pk).fetch_one(self.db.pool()).await.unwrap()
        })
        .await;
        self.execute("ALTER TABLE sales.tb_order DROP CONSTRAINT broken").await;
    }

    /// A worker in this process.
    pub(crate) async fn worker(&self) -> Worker {
        self.worker_at(&self.bank.url).await
    }

    /// A worker that looks for the bank elsewhere.
    pub(crate) async fn worker_at(&self, url: &str) -> Worker {
        let worker = Worker::builder(self.db.database()).environment("dev").env("BANK_URL", url);
        worker.shutdown_timeout(Duration::from_millis(500)).start().await.unwrap()
    }

    /// A worker in a process of its own.
    pub(crate) fn process(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_till-worker"));
        Process::start(command.env("DATABASE_URL", self.db.url()).env("BANK_URL", &self.bank.url))
    }

    /// The customer clicks again after the job has ended. Where the key was kept that is the same job, and the operator tries that
    /// one again; where it was given back it is another job, whose place the first cannot take any more. The job to go on with.
    pub(crate) async fn click_again(&self, call: Call, order: Uuid, job: Uuid, key: Key, after: &str) -> Uuid {
        let again = self.click(call, order).await;
        match key {
            Key::Kept => {
                assert_eq!(again, Clicked { job, deduplicated: true }, "after {after} the key is not kept");
                assert_eq!(self.retry(job).await, Ok(job), "after {after}");
            }
            Key::Released => {
                assert!(again.job != job && !again.deduplicated, "after {after} the key is not given back");
                let before = self.state(job).await;
                let (code, message) = self.retry(job).await.unwrap_err();
                assert!(code == "SQ409" && message.contains(&again.job.to_string()), "after {after}: {code} {message}");
                assert_eq!(self.state(job).await, before, "after {after} a refused retry changes nothing");
            }
        }
        again.job
    }

    /// The operator tries again first, and the customer's click comes to the same job whatever the key was.
    pub(crate) async fn retry_first(&self, call: Call, order: Uuid, job: Uuid, after: &str) {
        assert_eq!(self.retry(job).await, Ok(job), "after {after}");
        assert_eq!(self.click(call, order).await, Clicked { job, deduplicated: true }, "after {after}");
    }

    /// The job completes, and its order was charged once and marked as paid once.
    pub(crate) async fn paid_once(&self, order: Uuid, job: Uuid, after: &str) {
        assert_eq!(self.end(job).await, "completed", "after {after}");
        assert_eq!(self.bank.charges(order), 1, "charges after {after}, of calls {:?}", self.bank.keys(order));
        assert_eq!(self.called_back(order).await.0, 1, "after {after}");
    }
}
