//! The queue's schema is upgraded under jobs in every state, while a worker from before goes on beside a new one.
//!
//! The lock is the shop's before jobs had codes. The worker from before speaks in the very statements of that version.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use specql_compiler::internals::{
    migrations::{
        Direction, Lock, diff,
        render::{File, files},
    },
    sql::{Schema, schema},
};
use specql_runtime::testing::TestDatabase;
use specql_tests::{app::repository, compiled};
use sqlx::{AssertSqlSafe, FromRow, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

const BEFORE: &str = include_str!("../fixtures/locks/before_codes.lock");

const OPERATIONS: &str = r#"[
    {"service": "stripe", "operation": "create_charge", "timeout_seconds": 30, "max_attempts": 3, "unique": "in_flight",
        "idempotent": true, "policy_hash": "sha256:before"}]"#;

/// The statements of the version before.
const CLAIM: &str = "SELECT pk_job_run, epoch, attempt, id, operation_code, input_data, tenant_id, correlation_id, \
    max_attempts, timeout_seconds, policy_hash, bound_code, effect_possible, breaker FROM jobs.claim($1, $2, $3, $4, $5, $6)";
const HEARTBEAT: &str = "SELECT pk_job_run, cancel_requested FROM jobs.heartbeat($1, $2, $3)";
const COMPLETE: &str = "SELECT pk_job_run, result FROM jobs.complete($1, $2, $3, $4, $5)";
const FAIL: &str = "SELECT pk_job_run, result FROM jobs.fail($1, $2, $3, $4, $5, $6, $7, $8)";
const RELEASE: &str = "SELECT jobs.release($1, $2, $3)";

/// A worker that speaks so.
struct Worker {
    id: Uuid,
    pool: PgPool,
}

#[derive(Clone, Debug)]
struct Lease {
    pk_job_run: i64,
    epoch: i32,
    id: Uuid,
    max_attempts: i32,
    timeout_seconds: i32,
    policy_hash: Option<String>,
}

impl FromRow<'_, PgRow> for Lease {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            pk_job_run: row.try_get("pk_job_run")?,
            epoch: row.try_get("epoch")?,
            id: row.try_get("id")?,
            max_attempts: row.try_get("max_attempts")?,
            timeout_seconds: row.try_get("timeout_seconds")?,
            policy_hash: row.try_get("policy_hash")?,
        })
    }
}

impl Worker {
    async fn new(pool: &PgPool) -> Result<Self> {
        let id = Uuid::new_v4();
        sqlx::query("SELECT jobs.register_worker($1, 'shop', '0.1.0', '{}')").bind(id).execute(pool).await?;
        Ok(Self { id, pool: pool.clone() })
    }

    async fn claim(&self, limit: i32) -> Result<Vec<Lease>> {
        let codes: Vec<i32> = sqlx::query_scalar("SELECT code FROM jobs.operations()").fetch_all(&self.pool).await?;
        self.claim_of(codes, limit).await
    }

    async fn claim_of(&self, codes: Vec<i32>, limit: i32) -> Result<Vec<Lease>> {
        Ok(sqlx::query_as(CLAIM)
            .bind(self.id)
            .bind(codes)
            .bind(limit)
            .bind(true)
            .bind(None::<Vec<i32>>)
            .bind(None::<Vec<i32>>)
            .fetch_all(&self.pool)
            .await?)
    }

    async fn one(&self) -> Result<Lease> {
        self.claim(1).await?.pop().context("no job is ready")
    }

    async fn complete(&self, leases: &[Lease]) -> Result<Vec<String>> {
        let (pks, epochs) = fences(leases);
        let rows: Vec<(i64, String)> = sqlx::query_as(COMPLETE)
            .bind(self.id)
            .bind(pks)
            .bind(epochs)
            .bind(vec![json!({"id": "ch_1"}); leases.len()])
            .bind(vec![json!({"duration_seconds": 0.1}); leases.len()])
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|(_, result)| result).collect())
    }

    async fn fail(&self, lease: &Lease, class: &str, retry_in_ms: Option<i64>) -> Result<String> {
        let (_, result): (i64, String) = sqlx::query_as(FAIL)
            .bind(self.id)
            .bind(vec![lease.pk_job_run])
            .bind(vec![lease.epoch])
            .bind(vec![class])
            .bind(vec!["because"])
            .bind(vec![retry_in_ms])
            .bind(vec![true])
            .bind(vec![json!({})])
            .fetch_one(&self.pool)
            .await?;
        Ok(result)
    }

    async fn heartbeat(&self, leases: &[Lease]) -> Result<usize> {
        let (pks, epochs) = fences(leases);
        Ok(sqlx::query(HEARTBEAT).bind(self.id).bind(pks).bind(epochs).fetch_all(&self.pool).await?.len())
    }

    async fn release(&self, lease: &Lease) -> Result<i32> {
        let (pks, epochs) = fences(std::slice::from_ref(lease));
        Ok(sqlx::query_scalar(RELEASE).bind(self.id).bind(pks).bind(epochs).fetch_one(&self.pool).await?)
    }
}

fn fences(leases: &[Lease]) -> (Vec<i64>, Vec<i32>) {
    leases.iter().map(|lease| (lease.pk_job_run, lease.epoch)).unzip()
}

async fn run(pool: &PgPool, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.with_context(|| sql.to_owned())?;
    Ok(())
}

async fn enqueue(pool: &PgPool, arguments: &str) -> Result<Uuid> {
    let sql = format!("SELECT job_id FROM jobs.enqueue('stripe', 'create_charge', '{{\"amount\": 5}}'{arguments})");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await?)
}

async fn place_order(pool: &PgPool) -> Result<Uuid> {
    let jobs: Value = sqlx::query_scalar("SELECT extra_metadata -> 'jobs' FROM app.place_order(NULL, NULL, $1)")
        .bind(json!({"customer_email": "ada@example.eu", "total": 1999}))
        .fetch_one(pool)
        .await?;
    Ok(jobs[0]["job_id"].as_str().context("no job")?.parse()?)
}

/// Jobs in every state, by what was done with them.
async fn jobs_in_every_state(pool: &PgPool, worker: &Worker) -> Result<(BTreeMap<&'static str, Uuid>, Lease)> {
    let mut jobs = BTreeMap::new();
    jobs.insert("completed", enqueue(pool, "").await?);
    worker.complete(&[worker.one().await?]).await?;
    jobs.insert("failed with its key", enqueue(pool, ", 'kept'").await?);
    worker.fail(&worker.one().await?, "ambiguous", None).await?;
    jobs.insert("failed without", enqueue(pool, ", 'given back'").await?);
    worker.fail(&worker.one().await?, "invalid_input", None).await?;
    let cancelled = enqueue(pool, "").await?;
    sqlx::query("SELECT jobs.cancel($1)").bind(cancelled).execute(pool).await?;
    jobs.insert("cancelled", cancelled);
    jobs.insert("backing off", enqueue(pool, "").await?);
    worker.fail(&worker.one().await?, "transient_reported", Some(3_600_000)).await?;
    // A callback that cannot be run for the moment.
    jobs.insert("callback waiting", place_order(pool).await?);
    run(pool, "UPDATE jobs.tb_callback SET function_name = 'gone_' || function_name, batch_function = 'gone_' || batch_function").await?;
    ensure!(worker.complete(&[worker.one().await?]).await? == ["callback_waiting"]);
    run(pool, "UPDATE jobs.tb_callback SET function_name = substr(function_name, 6), batch_function = substr(batch_function, 6)").await?;
    jobs.insert("of a dead worker", enqueue(pool, "").await?);
    worker.one().await?;
    run(pool, "UPDATE jobs.tb_job_lease SET renewed_at = now() - interval '1 minute'").await?;
    jobs.insert("running", place_order(pool).await?);
    let running = worker.one().await?;
    jobs.insert("given back", enqueue(pool, ", _priority => 9").await?);
    let given_back = worker.one().await?;
    ensure!(given_back.id == jobs["given back"] && worker.release(&given_back).await? == 1);
    jobs.insert("delayed", enqueue(pool, ", _run_at => now() + interval '1 hour'").await?);
    jobs.insert("ready", enqueue(pool, ", 'waiting'").await?);
    jobs.insert("ready with callbacks", place_order(pool).await?);
    jobs.insert("ready of a tenant", enqueue(pool, ", _tenant_id => gen_random_uuid(), _priority => 3").await?);
    Ok((jobs, running))
}

async fn states(pool: &PgPool) -> Result<BTreeMap<Uuid, (String, String, i32)>> {
    let rows: Vec<(Uuid, String, String, i32)> = sqlx::query_as(
        "SELECT id, concat_ws('/', status, failure_class), concat_ws('.', service_name, operation), attempts FROM jobs.v_job_run",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(id, state, name, attempts)| (id, (state, name, attempts))).collect())
}

fn before() -> Result<Schema> {
    Ok(Lock::parse(BEFORE).map_err(|error| anyhow::anyhow!("{error:?}"))?.snapshot)
}

/// The files that lead from there to here.
fn upgrade(before: &Schema) -> Result<Vec<File>> {
    let shop = compiled::folder(&repository().join("examples/shop"))?;
    Ok(files(&diff(before, &schema(&shop.model), Direction::Forward), &[]))
}

/// Makes the operations known, as an application does when it starts.
async fn register(pool: &PgPool) -> Result<()> {
    let operations: Value = serde_json::from_str(OPERATIONS)?;
    sqlx::query("SELECT jobs.register_operations($1::jsonb)").bind(operations).execute(pool).await?;
    Ok(())
}

struct Upgraded {
    database: TestDatabase,
    jobs: BTreeMap<&'static str, Uuid>,
    running: Lease,
    old: Worker,
}

async fn upgraded() -> Result<Upgraded> {
    let before = before()?;
    let database = TestDatabase::from_sql(&before.render()).await?;
    let pool = database.pool();
    register(pool).await?;
    let old = Worker::new(pool).await?;
    let (jobs, running) = jobs_in_every_state(pool, &old).await?;
    let was = states(pool).await?;

    for file in upgrade(&before)? {
        run(pool, &file.text).await?;
    }
    assert_eq!(states(pool).await?, was, "nothing is lost or changed by the upgrade itself");
    Ok(Upgraded { database, jobs, running, old })
}

/// All that waits for a time is due.
async fn pass_time(pool: &PgPool) -> Result<()> {
    run(
        pool,
        "UPDATE jobs.tb_job_scheduled SET run_at = now() WHERE run_at < 'infinity';
        UPDATE jobs.tb_job_callback SET run_at = now() WHERE run_at IS NOT NULL;
        SELECT jobs.rescue(); SELECT jobs.promote(); SELECT jobs.run_callbacks()",
    )
    .await
}

#[tokio::test]
async fn every_job_from_before_is_done_by_the_old_worker_and_a_new_one_together() -> Result<()> {
    let Upgraded { database, jobs, running, old } = upgraded().await?;
    let pool = database.pool();
    // The application starts anew: operations are registered as this version does.
    register(pool).await?;
    let new = Worker::new(pool).await?;

    assert_eq!(old.heartbeat(std::slice::from_ref(&running)).await?, 1);
    assert_eq!(new.complete(std::slice::from_ref(&running)).await?, ["fenced"], "another's lease is another's");
    assert_eq!(old.complete(std::slice::from_ref(&running)).await?, ["completed"]);
    let (mut by_old, mut by_new) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        pass_time(pool).await?;
        for (worker, done) in [(&old, &mut by_old), (&new, &mut by_new)] {
            let leases = worker.claim(1).await?;
            for lease in &leases {
                assert_eq!((lease.max_attempts, lease.timeout_seconds), (3, 30));
                assert_eq!(lease.policy_hash.as_deref(), Some("sha256:before"));
            }
            assert!(worker.complete(&leases).await?.iter().all(|result| result == "completed"));
            done.extend(leases.into_iter().map(|lease| lease.id));
        }
    }
    let ids = |names: &[&str]| names.iter().map(|name| jobs[name]).collect::<std::collections::BTreeSet<_>>();
    let done: std::collections::BTreeSet<Uuid> = by_old.iter().chain(&by_new).copied().collect();
    assert_eq!(done.len(), by_old.len() + by_new.len(), "no job was done twice");
    assert!(!by_old.is_empty() && !by_new.is_empty());
    let waited = [
        "backing off",
        "of a dead worker",
        "delayed",
        "ready",
        "ready with callbacks",
        "ready of a tenant",
        "given back",
    ];
    assert_eq!(done, ids(&waited));

    let states = states(pool).await?;
    for (name, id) in &jobs {
        let expected = match *name {
            "failed with its key" => "failed/ambiguous",
            "failed without" => "failed/invalid_input",
            "cancelled" => "cancelled/cancelled",
            _ => "completed",
        };
        let (state, operation, _) = &states[id];
        assert_eq!((&**state, &**operation), (expected, "stripe.create_charge"), "{name}");
    }
    let paid: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sales.tb_order WHERE payment_status = 'paid' AND charge_id = 'ch_1'")
            .fetch_one(pool)
            .await?;
    assert_eq!(paid, 3, "the callbacks of all three orders ran");
    Ok(())
}

#[tokio::test]
async fn what_is_asked_of_a_job_from_before_is_answered_as_before() -> Result<()> {
    let Upgraded { database, jobs, old, .. } = upgraded().await?;
    let pool = database.pool();
    let ask = async |sql: &str, id: Uuid| -> Result<String> {
        Ok(sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).bind(id).fetch_one(pool).await?)
    };
    assert_eq!(enqueue(pool, ", 'kept'").await?, jobs["failed with its key"], "the key is still held");
    assert_eq!(enqueue(pool, ", 'waiting'").await?, jobs["ready"]);
    assert_ne!(enqueue(pool, ", 'given back'").await?, jobs["failed without"]);
    assert_eq!(ask("SELECT jobs.watch($1)", jobs["delayed"]).await?, "pending");
    assert_eq!(ask("SELECT jobs.wait($1, '1 ms')", jobs["completed"]).await?, "completed");
    assert_eq!(ask("SELECT jobs.cancel($1)", jobs["completed"]).await?, "finished");
    assert_eq!(ask("SELECT jobs.cancel($1)", jobs["delayed"]).await?, "cancelled");
    assert_eq!(ask("SELECT jobs.cancel($1)", jobs["running"]).await?, "cancelling");
    for name in ["failed with its key", "cancelled"] {
        let again: Uuid = sqlx::query_scalar("SELECT jobs.retry($1)").bind(jobs[name]).fetch_one(pool).await?;
        assert_eq!(again, jobs[name]);
    }
    let mut ready: Vec<Uuid> = old.claim(100).await?.into_iter().map(|lease| lease.id).collect();
    ready.retain(|id| [jobs["failed with its key"], jobs["cancelled"]].contains(id));
    assert_eq!(ready.len(), 2, "what is tried again runs again");
    let times: i64 =
        sqlx::query_scalar("SELECT count(*) FROM jobs.v_job_run WHERE created_at > now() - interval '1 hour'")
            .fetch_one(pool)
            .await?;
    assert_eq!(usize::try_from(times)?, jobs.len() + 1, "jobs from before and after tell when they were queued");
    Ok(())
}

#[tokio::test]
async fn a_claim_that_is_under_way_during_the_upgrade_has_its_jobs() -> Result<()> {
    let before = before()?;
    let database = TestDatabase::from_sql(&before.render()).await?;
    let pool = database.pool();
    register(pool).await?;
    let old = Worker::new(pool).await?;
    let id = enqueue(pool, "").await?;
    let files = upgrade(&before)?;

    // The claim has begun, in its old form, and comes to a table that the migration has locked.
    let codes: Vec<i32> = sqlx::query_scalar("SELECT code FROM jobs.operations()").fetch_all(pool).await?;
    let mut migration = pool.begin().await?;
    sqlx::raw_sql("LOCK TABLE jobs.tb_operation IN ACCESS EXCLUSIVE MODE").execute(&mut *migration).await?;
    let (claimed, ()) = tokio::try_join!(old.claim_of(codes, 1), async {
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(pool).await? {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        sqlx::raw_sql(AssertSqlSafe(files[0].text.clone())).execute(&mut *migration).await?;
        migration.commit().await?;
        Ok(())
    })?;
    for file in &files[1..] {
        run(pool, &file.text).await?;
    }
    assert_eq!(claimed.iter().map(|lease| lease.id).collect::<Vec<_>>(), [id]);
    assert_eq!(old.heartbeat(&claimed).await?, 1);
    assert_eq!(old.complete(&claimed).await?, ["completed"]);
    Ok(())
}
