//! The real queue: one connection, and each sequence in a transaction that is rolled back.
//!
//! Time is moved by writing to the state tables as their owner. Nothing waits for a real second: the queue's own waits
//! for a callback are days here, so that none ends by itself while a sequence runs.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::change::Change;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::{
    job::Lease,
    model::{Answer, CALLBACK_TRIES, Call},
    step::{Failure, NewJob, Operation, Step, Wait},
};

/// Callbacks that leave a row behind, and raise for an order that is broken.
const SHOP: &str = "
CREATE SCHEMA shop;
CREATE TABLE shop.tb_effect (pk_job_run BIGINT NOT NULL, kind TEXT NOT NULL);
CREATE INDEX idx_tb_effect_job ON shop.tb_effect (pk_job_run);
CREATE TABLE shop.tb_broken (pk_order BIGINT PRIMARY KEY);
CREATE TABLE shop.tb_order (pk_order BIGINT PRIMARY KEY, touched INTEGER NOT NULL DEFAULT 0);
INSERT INTO shop.tb_order (pk_order) VALUES (0), (1);
CREATE FUNCTION shop.leave(_job_run_id uuid, _kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _order bigint := (SELECT c.entity_pk FROM jobs.callback_context(_job_run_id) AS c);
BEGIN
    UPDATE shop.tb_order AS o SET touched = o.touched + 1 WHERE o.pk_order = _order;
    INSERT INTO shop.tb_effect (pk_job_run, kind)
    SELECT j.pk_job_run, _kind FROM jobs.tb_job_run AS j WHERE j.id = _job_run_id;
    IF EXISTS (SELECT FROM shop.tb_broken AS b WHERE b.pk_order = _order) THEN
        RAISE EXCEPTION 'the order is broken';
    END IF;
END $$;
CREATE FUNCTION shop.cb_done(_job_run_id uuid, _output_data jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT shop.leave(_job_run_id, 'success')
$$;
CREATE FUNCTION shop.cb_failed(_job_run_id uuid, _error jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT shop.leave(_job_run_id, 'failure')
$$;
INSERT INTO jobs.tb_callback (key, kind, schema_name, function_name, service_name, operation, entity_type)
SELECT format('shop.%s_%s', kind.function, o), kind.name, 'shop', kind.function, 'pay', o, 'Order'
FROM unnest('{charge,transfer,refund}'::text[]) AS o
CROSS JOIN (VALUES ('success', 'cb_done'), ('failure', 'cb_failed')) AS kind (name, function);
";

/// Where each job stands, in the words of `job::Job`. A job that is in two places shows both.
const STATE: &str = "
SELECT j.id, concat_ws(' + ', ready.text, scheduled.text, lease.text, callback.text, outcome.text)
    || format('; effects %s/%s; %s', effects.successes, effects.failures, trail.events)
FROM jobs.tb_job_run AS j
LEFT JOIN LATERAL (
    SELECT format('ready rank %s attempts %s crashes %s put off %s effect %s keyed %s epoch %s',
        coalesce(r.rank, 0), coalesce(r.attempts, 0), coalesce(r.crashes, 0), coalesce(r.put_off, 0), coalesce(r.effect_possible, false), coalesce(r.keyed, false), coalesce(r.epoch, 0)) AS text
    FROM jobs.tb_job_ready AS r WHERE r.rank = -j.priority AND r.pk_job_run = j.pk_job_run) AS ready ON true
LEFT JOIN LATERAL (
    SELECT format('scheduled due %s rank %s attempts %s crashes %s put off %s effect %s keyed %s epoch %s',
        s.run_at <= clock_timestamp(), coalesce(s.rank, 0), coalesce(s.attempts, 0), coalesce(s.crashes, 0), coalesce(s.put_off, 0), coalesce(s.effect_possible, false), coalesce(s.keyed, false), coalesce(s.epoch, 0)) AS text
    FROM jobs.tb_job_scheduled AS s WHERE s.pk_job_run = j.pk_job_run) AS scheduled ON true
LEFT JOIN LATERAL (
    SELECT format('leased by %s alive %s cancel %s rank %s attempts %s crashes %s put off %s effect %s keyed %s epoch %s',
        right(w.id::text, 1), coalesce(l.renewed_at, l.claimed_at) > clock_timestamp() - interval '10 seconds', coalesce(l.cancel_requested, false), coalesce(l.rank, 0),
        l.attempt, coalesce(l.crashes, 0), coalesce(l.put_off, 0), coalesce(l.effect_possible, false), coalesce(l.keyed, false), coalesce(l.epoch, 0)) AS text
    FROM jobs.tb_job_lease AS l JOIN jobs.tb_worker_code AS w ON w.code = l.worker_code WHERE l.pk_job_run = j.pk_job_run) AS lease ON true
LEFT JOIN LATERAL (
    SELECT format('callback %s tries %s due %s attempts %s effect %s keyed %s class %s epoch %s', c.kind, c.tries,
        coalesce((c.run_at <= clock_timestamp())::text::\"char\"::text, '-'), c.attempts, c.effect_possible, c.keyed,
        coalesce(c.failure_class, '-'), c.epoch) AS text
    FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = j.pk_job_run) AS callback ON true
LEFT JOIN LATERAL (
    SELECT format('%s class %s attempts %s output %s epoch %s', o.status, coalesce(o.failure_class, '-'), o.attempts,
        coalesce(o.output_data ->> 'epoch', '-'), o.epoch) AS text
    FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = j.pk_job_run) AS outcome ON true
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE e.kind = 'success') AS successes, count(*) FILTER (WHERE e.kind = 'failure') AS failures
    FROM shop.tb_effect AS e WHERE e.pk_job_run = j.pk_job_run) AS effects
CROSS JOIN LATERAL (
    SELECT string_agg(format('%s/%s/%s/%s/%s', a.event, a.epoch, a.attempt, coalesce(right(a.worker::text, 1), '-'),
        coalesce(a.failure_class, '-')), ' ' ORDER BY a.at, a.epoch) AS events
    FROM jobs.v_job_attempt AS a WHERE a.pk_job_run = j.pk_job_run) AS trail
WHERE j.pk_job_run > $1
ORDER BY j.pk_job_run";

/// A queue that random sequences are run against.
#[derive(Debug)]
pub(crate) struct Queue {
    connection: PgConnection,
    operations: Vec<i32>,
    _database: TestDatabase,
}

impl Queue {
    /// `change` is made to the queue's functions before anything runs.
    pub(crate) async fn new(change: Option<&Change<'_>>) -> Result<Self> {
        let (database, operations) = prepared(change).await?;
        let connection = database.pool().acquire().await?.detach();
        Ok(Self { connection, operations, _database: database })
    }

    /// Begins a sequence.
    pub(crate) async fn begin(&mut self) -> Result<Sequence<'_>> {
        let mut tx = self.connection.begin().await?;
        let first = sqlx::query_scalar("SELECT nextval('jobs.tb_job_run_pk_job_run_seq')").fetch_one(&mut *tx).await?;
        Ok(Sequence { tx, operations: &self.operations, first, jobs: Vec::new() })
    }
}

/// A database with the queue, the callbacks and the operations, whose codes are the second; `change` is made to the
/// queue's functions.
pub(crate) async fn prepared(change: Option<&Change<'_>>) -> Result<(TestDatabase, Vec<i32>)> {
    let database = TestDatabase::from_sql(&format!("{}{SHOP}", specql_tests::compiled::queue_schema()?)).await?;
    let mut connection = database.pool().acquire().await?;
    let operations = Operation::ALL.map(|operation| {
        json!({"service": "pay", "operation": operation.name(), "execution_type": "http", "timeout_seconds": 30,
            "max_attempts": operation.max_attempts(), "unique": operation.rule().name(),
            "idempotent": operation.idempotent()})
    });
    let mut codes: Vec<(i32, String)> = sqlx::query_as("SELECT code, operation FROM jobs.register_operations($1)")
        .bind(json!(operations))
        .fetch_all(&mut *connection)
        .await?;
    codes.sort_by_key(|(_, name)| Operation::ALL.iter().position(|operation| operation.name() == name));
    for worker in 0..crate::step::WORKERS {
        sqlx::query("SELECT jobs.register_worker($1, 'model', '0', '{}')")
            .bind(uuid_of(worker))
            .execute(&mut *connection)
            .await?;
    }
    sqlx::raw_sql(AssertSqlSafe(format!(
        "CREATE OR REPLACE FUNCTION jobs.callback_retry_wait(_tries integer) RETURNS interval LANGUAGE sql IMMUTABLE AS
        'SELECT CASE WHEN _tries < {CALLBACK_TRIES} THEN pg_catalog.make_interval(days => _tries) END'"
    )))
    .execute(&mut *connection)
    .await?;
    if let Some(change) = change {
        change.make(&mut connection).await?;
    }
    drop(connection);
    Ok((database, codes.into_iter().map(|(code, _)| code).collect()))
}

/// A sequence under way. Dropping it undoes it.
#[derive(Debug)]
pub(crate) struct Sequence<'a> {
    tx: sqlx::Transaction<'a, sqlx::Postgres>,
    operations: &'a [i32],
    /// Jobs up to here are another's.
    first: i64,
    /// Key and id of each job, in the order in which they were made.
    jobs: Vec<(i64, Uuid)>,
}

pub(crate) const fn uuid_of(worker: u8) -> Uuid {
    Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 | worker as u128)
}

impl Sequence<'_> {
    /// Does a step, and says what the queue answered.
    pub(crate) async fn call(&mut self, step: &Step, call: &Call) -> Result<Answer> {
        Ok(match step {
            Step::Enqueue(job) => self.enqueue(job).await?,
            Step::EnqueueMany { operation, count, keys, unique, priority, delayed } => {
                let keys = keys.as_ref().map(|keys| keys.iter().map(|key| key.map(name_of)).collect::<Vec<_>>());
                let made: Vec<(Uuid, bool)> = sqlx::query_as(
                    "SELECT job_id, deduplicated FROM jobs.enqueue_many('pay', $1, $2, $3, NULL, $4, NULL, NULL, $5,
                        CASE WHEN $6 THEN clock_timestamp() + interval '1 day' END) ORDER BY ordinal",
                )
                .bind(operation.name())
                .bind(vec![json!({}); usize::from(*count)])
                .bind(keys)
                .bind(unique.map(crate::step::Rule::name))
                .bind(priority)
                .bind(delayed)
                .fetch_all(&mut *self.tx)
                .await?;
                self.queued(made).await?
            }
            Step::Claim { worker, operations, limit, full_scan } => {
                self.claim(*worker, *operations, *limit, *full_scan).await?
            }
            Step::Heartbeat(_) => {
                let (pks, epochs) = self.arrays(call);
                let rows: Vec<(i64, bool)> =
                    sqlx::query_as("SELECT pk_job_run, cancel_requested FROM jobs.heartbeat($1, $2, $3) ORDER BY 1")
                        .bind(uuid_of(call.worker))
                        .bind(pks)
                        .bind(epochs)
                        .fetch_all(&mut *self.tx)
                        .await?;
                Answer::Held(
                    rows.into_iter().map(|(pk, cancel)| Ok((self.number(pk)?, cancel))).collect::<Result<_>>()?,
                )
            }
            Step::Complete(_) => {
                let (pks, epochs) = self.arrays(call);
                // The output says which claim it is from.
                let outputs: Vec<Value> = epochs.iter().map(|epoch| json!({"epoch": epoch})).collect();
                let rows = sqlx::query_as("SELECT pk_job_run, result FROM jobs.complete($1, $2, $3, $4, NULL)")
                    .bind(uuid_of(call.worker))
                    .bind(pks)
                    .bind(epochs)
                    .bind(outputs)
                    .fetch_all(&mut *self.tx)
                    .await?;
                self.results(rows)?
            }
            Step::Fail(_, failure) => self.fail(call, *failure).await?,
            Step::Release(_) => {
                let (pks, epochs) = self.arrays(call);
                let released = sqlx::query_scalar("SELECT jobs.release($1, $2, $3)")
                    .bind(uuid_of(call.worker))
                    .bind(pks)
                    .bind(epochs)
                    .fetch_one(&mut *self.tx)
                    .await?;
                Answer::Count(released)
            }
            Step::Cancel { .. } => {
                let said = sqlx::query_scalar("SELECT jobs.cancel($1)")
                    .bind(self.jobs[call.job].1)
                    .fetch_one(&mut *self.tx)
                    .await?;
                Answer::Said(said)
            }
            Step::Retry { .. } => self.retry(call.job).await?,
            Step::Crash { worker } | Step::Stall { worker } => {
                sqlx::query(
                    "UPDATE jobs.tb_job_lease SET renewed_at = clock_timestamp() - interval '1 minute' WHERE worker_code = jobs.code_of($1)",
                )
                .bind(uuid_of(*worker))
                .execute(&mut *self.tx)
                .await?;
                Answer::Nothing
            }
            Step::Rescue => self.count("SELECT jobs.rescue()").await?,
            Step::PassTime => {
                sqlx::raw_sql(
                    "UPDATE jobs.tb_job_scheduled SET run_at = clock_timestamp() - interval '1 hour';
                    UPDATE jobs.tb_job_callback SET run_at = clock_timestamp() - interval '1 hour' WHERE run_at IS NOT NULL",
                )
                .execute(&mut *self.tx)
                .await?;
                Answer::Nothing
            }
            Step::Promote => self.count("SELECT jobs.promote()").await?,
            Step::RunCallbacks => self.count("SELECT jobs.run_callbacks()").await?,
            Step::Break { order, broken } => {
                let sql = match broken {
                    true => "INSERT INTO shop.tb_broken (pk_order) VALUES ($1) ON CONFLICT DO NOTHING",
                    false => "DELETE FROM shop.tb_broken WHERE pk_order = $1",
                };
                sqlx::query(sql).bind(i64::from(*order)).execute(&mut *self.tx).await?;
                Answer::Nothing
            }
        })
    }

    /// Each job as the database has it.
    pub(crate) async fn state(&mut self) -> Result<Vec<String>> {
        let rows: Vec<(Uuid, String)> = sqlx::query_as(STATE).bind(self.first).fetch_all(&mut *self.tx).await?;
        let known: Vec<Uuid> = self.jobs.iter().map(|(_, id)| *id).collect();
        let found: Vec<Uuid> = rows.iter().map(|(id, _)| *id).collect();
        ensure!(found == known, "the database has {} jobs, and {} were made", found.len(), known.len());
        Ok(rows.into_iter().map(|(_, text)| text).collect())
    }

    /// Which job holds which key: operation, key, job, rule.
    pub(crate) async fn keys(&mut self) -> Result<Vec<(String, String, usize, String)>> {
        let rows: Vec<(String, String, i64, String)> = sqlx::query_as(
            "SELECT j.operation, coalesce(j.idempotency_key, j.identifier), k.pk_job_run, k.rule
            FROM jobs.tb_job_key AS k
            JOIN jobs.v_job_run AS j ON j.pk_job_run = k.pk_job_run
            WHERE k.key = jobs.job_key(NULL, 'pay', j.operation, coalesce(j.idempotency_key, j.identifier))
            ORDER BY 1, 2",
        )
        .fetch_all(&mut *self.tx)
        .await?;
        rows.into_iter().map(|(operation, key, pk, rule)| Ok((operation, key, self.number(pk)?, rule))).collect()
    }

    /// The jobs for which something does not hold.
    pub(crate) async fn offenders(&mut self, query: &'static str) -> Result<Vec<i64>> {
        Ok(sqlx::query_scalar(query).bind(self.first).fetch_all(&mut *self.tx).await?)
    }

    async fn enqueue(&mut self, job: &NewJob) -> Result<Answer> {
        let run_at = "CASE WHEN $5 THEN clock_timestamp() + interval '1 day' END";
        let plain = format!(
            "SELECT job_id, deduplicated FROM jobs.enqueue('pay', $1, '{{}}', $2, $3, _priority => $4, _run_at => {run_at},
                _max_attempts => $6)"
        );
        let step = format!(
            "SELECT job_id, deduplicated FROM jobs.enqueue_step('pay', $1, '{{}}', $2, NULL, $3, NULL, NULL, NULL, $4,
                {run_at}, NULL, $6, 'Order', $7, $8, $9)"
        );
        let query = sqlx::query_as(AssertSqlSafe(if job.order.is_some() { step } else { plain }))
            .bind(job.operation.name())
            .bind(job.key.map(name_of))
            .bind(job.unique.map(crate::step::Rule::name))
            .bind(job.priority)
            .bind(job.delayed)
            .bind(job.max_attempts);
        let query = match job.order {
            None => query,
            Some(order) => query
                .bind(i64::from(order))
                .bind(job.on_success.then(|| format!("shop.cb_done_{}", job.operation.name())))
                .bind(job.on_failure.then(|| format!("shop.cb_failed_{}", job.operation.name()))),
        };
        let made = query.fetch_all(&mut *self.tx).await?;
        self.queued(made).await
    }

    /// Numbers the jobs that are new.
    async fn queued(&mut self, made: Vec<(Uuid, bool)>) -> Result<Answer> {
        let mut numbers = Vec::new();
        for (id, deduplicated) in made {
            let known = self.jobs.iter().position(|(_, known)| *known == id);
            let number = match known {
                Some(number) => number,
                None => {
                    let pk = sqlx::query_scalar("SELECT pk_job_run FROM jobs.tb_job_run WHERE id = $1")
                        .bind(id)
                        .fetch_one(&mut *self.tx)
                        .await?;
                    self.jobs.push((pk, id));
                    self.jobs.len() - 1
                }
            };
            numbers.push((number, deduplicated));
        }
        Ok(Answer::Queued(numbers))
    }

    async fn claim(&mut self, worker: u8, operations: u8, limit: u8, full_scan: bool) -> Result<Answer> {
        let codes: Vec<i32> =
            (0..3).filter(|place| operations >> place & 1 == 1).map(|place| self.operations[place]).collect();
        sqlx::query("SET LOCAL synchronous_commit = on").execute(&mut *self.tx).await?;
        let rows: Vec<(i64, i32, i32, i32)> =
            sqlx::query_as("SELECT pk_job_run, epoch, attempt, max_attempts FROM jobs.claim($1, $2, $3, $4)")
                .bind(uuid_of(worker))
                .bind(codes)
                .bind(i32::from(limit))
                .bind(full_scan)
                .fetch_all(&mut *self.tx)
                .await?;
        let flush: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *self.tx).await?;
        // What this worker leaves out has a lane of its own from now on; those that keep house move there what waits.
        sqlx::query("SELECT jobs.move_to_lanes()").execute(&mut *self.tx).await?;
        // Of a lane that was taken away the jobs are left where they are, and are claimed in their order within it. Here all
        // have gone back, so that the order of an operation's jobs can be told.
        sqlx::query(
            "UPDATE jobs.tb_job_ready AS r SET lane = jobs.lane(o.own_lane, o.code, r.lane) FROM jobs.tb_operation AS o
            WHERE o.code = r.operation_code AND r.lane <> jobs.lane(o.own_lane, o.code, r.lane)",
        )
        .execute(&mut *self.tx)
        .await?;
        let leases = rows
            .into_iter()
            .map(|(pk, epoch, attempt, most)| Ok((Lease { job: self.number(pk)?, epoch }, attempt, most)))
            .collect::<Result<_>>()?;
        Ok(Answer::Claimed(leases, flush == "on"))
    }

    async fn fail(&mut self, call: &Call, failure: Failure) -> Result<Answer> {
        let (pks, epochs) = self.arrays(call);
        let count = pks.len();
        let wait: Option<i64> = match failure.wait {
            Wait::Final => None,
            Wait::Now => Some(0),
            // Half of the time after which what is put off is given up.
            Wait::Later => Some(43_200_000),
        };
        let rows = sqlx::query_as(
            "SELECT pk_job_run, result FROM jobs.fail($1, $2, $3, $4, $5, $6, $7, NULL, _no_effect => $8)",
        )
        .bind(uuid_of(call.worker))
        .bind(pks)
        .bind(epochs)
        .bind(vec![failure.class.name(); count])
        .bind(vec![failure.says(); count])
        .bind(vec![wait; count])
        .bind(vec![failure.counted; count])
        .bind(failure.no_effect.map(|word| vec![word; count]))
        .fetch_all(&mut *self.tx)
        .await?;
        self.results(rows)
    }

    async fn retry(&mut self, job: usize) -> Result<Answer> {
        let mut savepoint = self.tx.begin().await?;
        let done = sqlx::query_scalar::<_, Uuid>("SELECT jobs.retry($1)")
            .bind(self.jobs[job].1)
            .fetch_one(&mut *savepoint)
            .await;
        let said = match done {
            Ok(_) => {
                savepoint.commit().await?;
                "queued".to_owned()
            }
            Err(sqlx::Error::Database(refusal)) => {
                savepoint.rollback().await?;
                let code = refusal.code().unwrap_or_default();
                match refusal.message().split_once("cannot be retried: job ") {
                    None => code.into_owned(),
                    Some((_, rest)) => {
                        let other: Uuid = rest.get(..36).context("an id")?.parse()?;
                        let number =
                            self.jobs.iter().position(|(_, id)| *id == other).context("a job that was made")?;
                        format!("{code} for job {number}")
                    }
                }
            }
            Err(other) => bail!(other),
        };
        Ok(Answer::Said(said))
    }

    async fn count(&mut self, sql: &'static str) -> Result<Answer> {
        Ok(Answer::Count(sqlx::query_scalar(sql).fetch_one(&mut *self.tx).await?))
    }

    fn results(&self, rows: Vec<(i64, String)>) -> Result<Answer> {
        Ok(Answer::Results(rows.into_iter().map(|(pk, result)| Ok((self.number(pk)?, result))).collect::<Result<_>>()?))
    }

    fn number(&self, pk: i64) -> Result<usize> {
        self.jobs.iter().position(|(known, _)| *known == pk).with_context(|| format!("nobody made job {pk}"))
    }

    fn arrays(&self, call: &Call) -> (Vec<i64>, Vec<i32>) {
        call.leases.iter().map(|lease| (self.jobs[lease.job].0, lease.epoch)).unzip()
    }
}

/// The text of a key.
pub(crate) fn name_of(key: u8) -> String {
    format!("k{key}")
}
