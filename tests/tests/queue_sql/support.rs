//! A queue of its own for each test, and short names for its functions.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled::queue_schema;
use uuid::Uuid;

/// An order with callbacks, as the compiler would generate them, and what makes them raise: a broken order.
const SHOP: &str = "
CREATE SCHEMA shop;
CREATE TABLE shop.tb_order (pk_order INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'new', paid INTEGER NOT NULL DEFAULT 0,
    broken BOOLEAN NOT NULL DEFAULT false, parent INTEGER REFERENCES shop.tb_order DEFERRABLE INITIALLY DEFERRED);
INSERT INTO shop.tb_order (pk_order) SELECT generate_series(1, 20);
CREATE FUNCTION shop.cb_paid(_job_run_id uuid, _output_data jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE shop.tb_order SET state = 'paid', paid = paid + 1, parent = (_output_data ->> 'parent')::integer
    WHERE pk_order = (SELECT c.entity_pk FROM jobs.callback_context(_job_run_id) AS c);
    IF EXISTS (SELECT FROM shop.tb_order WHERE broken AND pk_order = (SELECT c.entity_pk FROM jobs.callback_context(_job_run_id) AS c)) THEN
        RAISE EXCEPTION 'the order is broken';
    END IF;
END $$;
CREATE FUNCTION shop.cb_declined(_job_run_id uuid, _error jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE shop.tb_order SET state = format('%s after %s: %s', _error ->> 'kind', _error ->> 'attempts', _error ->> 'message')
    WHERE pk_order = (SELECT c.entity_pk FROM jobs.callback_context(_job_run_id) AS c);
    IF EXISTS (SELECT FROM shop.tb_order WHERE broken AND pk_order = (SELECT c.entity_pk FROM jobs.callback_context(_job_run_id) AS c)) THEN
        RAISE EXCEPTION 'the order is broken';
    END IF;
END $$;
INSERT INTO jobs.tb_callback (key, kind, schema_name, function_name, service_name, operation, entity_type) VALUES
    ('shop.cb_paid', 'success', 'shop', 'cb_paid', 'pay', 'charge', 'Order'),
    ('shop.cb_declined', 'failure', 'shop', 'cb_declined', 'pay', 'charge', 'Order');
";

/// A job that a worker has.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) pk_job_run: i64,
    pub(crate) epoch: i32,
    pub(crate) attempt: i32,
    pub(crate) id: Uuid,
}

/// A database with an empty queue, three operations, and one worker.
pub(crate) struct Queue {
    pub(crate) db: TestDatabase,
    pub(crate) worker: Uuid,
    pub(crate) operations: Vec<i32>,
}

impl Queue {
    /// `pay.charge` may be repeated, `pay.transfer` may not, `pay.refund` is `once`; three attempts each.
    pub(crate) async fn new() -> Result<Self> {
        Self::of(&queue_schema()?).await
    }

    /// With partitions of a hundred jobs, not of a million.
    pub(crate) async fn with_small_partitions() -> Result<Self> {
        Self::of(&queue_schema()?.replace("1000000", "100")).await
    }

    pub(crate) async fn of(schema: &str) -> Result<Self> {
        let db = TestDatabase::from_sql(&format!("{schema}{SHOP}")).await?;
        let operation = |name: &str, unique: &str, idempotent: bool| {
            json!({"service": "pay", "operation": name, "execution_type": "http", "timeout_seconds": 30, "max_attempts": 3,
                "unique": unique, "idempotent": idempotent, "environment": "test", "policy_hash": format!("hash of {name}"),
                "runner_config": {"base_url": "https://pay.example"}, "security_context": {}})
        };
        let operations = json!([
            operation("charge", "in_flight", true),
            operation("transfer", "in_flight", false),
            operation("refund", "once", true)
        ]);
        let codes = sqlx::query_scalar("SELECT code FROM jobs.register_operations($1)")
            .bind(operations)
            .fetch_all(db.pool())
            .await?;
        Ok(Self { db, worker: Uuid::new_v4(), operations: codes })
    }

    pub(crate) async fn enqueue(&self, operation: &str, key: Option<&str>) -> Result<(Uuid, bool)> {
        Ok(sqlx::query_as("SELECT job_id, deduplicated FROM jobs.enqueue('pay', $1, '{}', $2)")
            .bind(operation)
            .bind(key)
            .fetch_one(self.db.pool())
            .await?)
    }

    /// A charge for an order, with both callbacks, as a generated action queues it.
    pub(crate) async fn charge(&self, order: i64) -> Result<Uuid> {
        Ok(sqlx::query_scalar(
            "SELECT job_id FROM jobs.enqueue_step('pay', 'charge', '{}', $1, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL,
                'Order', $2, 'shop.cb_paid', 'shop.cb_declined')",
        )
        .bind(format!("Order_{order}_charge"))
        .bind(order)
        .fetch_one(self.db.pool())
        .await?)
    }

    pub(crate) async fn claim(&self, limit: i32) -> Result<Vec<Lease>> {
        self.claim_as(self.worker, limit).await
    }

    pub(crate) async fn claim_as(&self, worker: Uuid, limit: i32) -> Result<Vec<Lease>> {
        let rows: Vec<(i64, i32, i32, Uuid)> =
            sqlx::query_as("SELECT pk_job_run, epoch, attempt, id FROM jobs.claim($1, $2, $3, true)")
                .bind(worker)
                .bind(&self.operations)
                .bind(limit)
                .fetch_all(self.db.pool())
                .await?;
        Ok(rows.into_iter().map(|(pk_job_run, epoch, attempt, id)| Lease { pk_job_run, epoch, attempt, id }).collect())
    }

    /// The one job that is ready.
    pub(crate) async fn claim_one(&self) -> Result<Lease> {
        self.claim(1).await?.pop().context("no job is ready")
    }

    pub(crate) async fn complete(&self, leases: &[Lease]) -> Result<Vec<String>> {
        self.complete_with(leases, json!({"ok": true})).await
    }

    pub(crate) async fn complete_with(&self, leases: &[Lease], output: Value) -> Result<Vec<String>> {
        let (pks, epochs) = arrays(leases);
        Ok(sqlx::query_scalar("SELECT result FROM jobs.complete($1, $2, $3, $4, $5)")
            .bind(self.worker)
            .bind(pks)
            .bind(epochs)
            .bind(vec![output; leases.len()])
            .bind(vec![json!({"duration_seconds": 0.5, "source": "test"}); leases.len()])
            .fetch_all(self.db.pool())
            .await?)
    }

    /// Fails an attempt that was made; `retry_in_ms` `None` is final.
    pub(crate) async fn fail(&self, lease: &Lease, class: &str, retry_in_ms: Option<i64>) -> Result<String> {
        self.fail_counted(lease, class, retry_in_ms, true).await
    }

    pub(crate) async fn fail_counted(
        &self,
        lease: &Lease,
        class: &str,
        wait: Option<i64>,
        counted: bool,
    ) -> Result<String> {
        Ok(sqlx::query_scalar(
            "SELECT result FROM jobs.fail($1, ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY['declined'], ARRAY[$5], ARRAY[$6], NULL)",
        )
        .bind(self.worker)
        .bind(lease.pk_job_run)
        .bind(lease.epoch)
        .bind(class)
        .bind(wait)
        .bind(counted)
        .fetch_one(self.db.pool())
        .await?)
    }

    pub(crate) async fn heartbeat(&self, leases: &[Lease]) -> Result<Vec<(i64, bool)>> {
        let (pks, epochs) = arrays(leases);
        Ok(sqlx::query_as("SELECT pk_job_run, cancel_requested FROM jobs.heartbeat($1, $2, $3) ORDER BY pk_job_run")
            .bind(self.worker)
            .bind(pks)
            .bind(epochs)
            .fetch_all(self.db.pool())
            .await?)
    }

    /// The worker dies: its leases are old, and somebody looks for such.
    pub(crate) async fn crash(&self) -> Result<i32> {
        self.run("UPDATE jobs.tb_job_lease SET renewed_at = now() - interval '10.1 seconds'").await?;
        self.scalar("SELECT jobs.rescue()").await
    }

    /// Everything that waits for a time is due.
    pub(crate) async fn pass_time(&self) -> Result<()> {
        self.run("UPDATE jobs.tb_job_scheduled SET run_at = now(); UPDATE jobs.tb_job_callback SET run_at = now() WHERE run_at IS NOT NULL;
            SELECT jobs.promote(); SELECT jobs.run_callbacks()").await
    }

    /// `status`, `status/class` of a job.
    pub(crate) async fn state(&self, id: Uuid) -> Result<String> {
        Ok(sqlx::query_scalar("SELECT concat_ws('/', status, failure_class) FROM jobs.v_job_run WHERE id = $1")
            .bind(id)
            .fetch_one(self.db.pool())
            .await?)
    }

    pub(crate) async fn order(&self, order: i64) -> Result<(String, i32)> {
        Ok(sqlx::query_as("SELECT state, paid FROM shop.tb_order WHERE pk_order = $1")
            .bind(order)
            .fetch_one(self.db.pool())
            .await?)
    }

    /// The events of a job, oldest first.
    pub(crate) async fn events(&self, id: Uuid) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar(
            "SELECT a.event FROM jobs.v_job_attempt AS a JOIN jobs.tb_job_run AS j USING (pk_job_run)
            WHERE j.id = $1 ORDER BY a.at, a.epoch",
        )
        .bind(id)
        .fetch_all(self.db.pool())
        .await?)
    }

    pub(crate) async fn run(&self, sql: &'static str) -> Result<()> {
        sqlx::raw_sql(sql).execute(self.db.pool()).await?;
        Ok(())
    }

    pub(crate) async fn scalar<T>(&self, sql: &'static str) -> Result<T>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        Ok(sqlx::query_scalar(sql).fetch_one(self.db.pool()).await?)
    }
}

fn arrays(leases: &[Lease]) -> (Vec<i64>, Vec<i32>) {
    leases.iter().map(|lease| (lease.pk_job_run, lease.epoch)).unzip()
}

/// The SQLSTATE and message of an error that the database raised.
pub(crate) fn raised<T: std::fmt::Debug>(result: Result<T, sqlx::Error>) -> (String, String) {
    let error = result.expect_err("the database should have refused");
    let error = error.into_database_error().expect("the database should have answered");
    (error.code().unwrap_or_default().into_owned(), error.message().to_owned())
}
