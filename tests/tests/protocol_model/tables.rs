//! The real queue, and its tables in the words of the model. Every actor has a connection of its own: the workers, the one
//! who does the keeper's duties, the application, and whoever holds the gate of notifications.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::change::Change;
use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgListener},
};
use std::time::Duration;
use uuid::Uuid;

use crate::state::{JOBS, KINDS, MAX_ATTEMPTS, Owner, Place, State, WORKERS};

/// A callback that leaves a row behind, and raises for a job that is broken. Its own tries are a day apart: the test
/// says when one is due.
const SHOP: &str = "
CREATE SCHEMA shop;
CREATE TABLE shop.tb_effect (id uuid NOT NULL);
CREATE TABLE shop.tb_broken (id uuid NOT NULL);
CREATE FUNCTION shop.cb_done(_job_run_id uuid, _output_data jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop.tb_effect (id) VALUES (_job_run_id);
    IF EXISTS (SELECT FROM shop.tb_broken AS b WHERE b.id = _job_run_id) THEN
        RAISE EXCEPTION 'the job is broken';
    END IF;
END $$;
INSERT INTO jobs.tb_callback (key, kind, schema_name, function_name, service_name, operation, entity_type)
SELECT format('shop.cb_done_%s', n), 'success', 'shop', 'cb_done', 'pay', format('job%s', n), 'Order'
FROM generate_series(0, 2) AS n;
CREATE OR REPLACE FUNCTION jobs.callback_retry_wait(_tries integer) RETURNS interval LANGUAGE sql IMMUTABLE AS
'SELECT pg_catalog.make_interval(days => _tries)';
";

/// Where each job of `$1` stands: in all tables in which it is, should it be in two. `$2` are the workers.
const STANDING: &str = "
SELECT concat_ws(' + ', ready.text, scheduled.text, lease.text, callback.text, outcome.text)
    || format('; effects %s, successes recorded %s',
        (SELECT count(*) FROM shop.tb_effect AS e WHERE e.id = j.id),
        (SELECT count(*) FROM jobs.v_job_attempt AS a
        WHERE a.pk_job_run = j.pk_job_run AND a.event = 'finished' AND a.failure_class IS NULL))
FROM unnest($1::bigint[]) WITH ORDINALITY AS given (pk, place)
JOIN jobs.tb_job_run AS j ON j.pk_job_run = given.pk
LEFT JOIN LATERAL (
    SELECT format('ready epoch %s attempts %s crashes %s', coalesce(r.epoch, 0), coalesce(r.attempts, 0), coalesce(r.crashes, 0)) AS text
    FROM jobs.tb_job_ready AS r WHERE r.pk_job_run = given.pk) AS ready ON true
LEFT JOIN LATERAL (
    SELECT format('scheduled epoch %s', coalesce(s.epoch, 0)) AS text
    FROM jobs.tb_job_scheduled AS s WHERE s.pk_job_run = given.pk) AS scheduled ON true
LEFT JOIN LATERAL (
    SELECT format('leased by %s stale %s cancel %s epoch %s attempts %s crashes %s',
        coalesce((array_position($2::uuid[], w.id) - 1)::text, 'nobody'),
        coalesce(l.renewed_at, l.claimed_at) < clock_timestamp() - interval '10 seconds', coalesce(l.cancel_requested, false), l.epoch,
        l.attempt, coalesce(l.crashes, 0)) AS text
    FROM jobs.tb_job_lease AS l JOIN jobs.tb_worker_code AS w ON w.code = l.worker_code WHERE l.pk_job_run = given.pk) AS lease ON true
LEFT JOIN LATERAL (
    SELECT format('callback epoch %s', c.epoch) AS text
    FROM jobs.tb_job_callback AS c WHERE c.pk_job_run = given.pk) AS callback ON true
LEFT JOIN LATERAL (
    SELECT format('%s epoch %s', o.status, o.epoch) AS text
    FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = given.pk) AS outcome ON true
ORDER BY given.place";

/// The same texts from the model.
pub(crate) fn standing(state: &State) -> Vec<String> {
    let letter = |value: bool| if value { 't' } else { 'f' };
    let made = state.jobs.iter().filter(|job| job.place != Place::Unborn);
    let texts = made.map(|job| {
        let epoch = job.epoch;
        let place = match job.place {
            Place::Unborn => String::new(),
            Place::Ready => format!("ready epoch {epoch} attempts {epoch} crashes {}", job.crashes),
            Place::Leased { owner, stale } => {
                let owner = match owner {
                    Owner::Worker(worker) => worker.to_string(),
                    Owner::Gone => "nobody".to_owned(),
                };
                let (stale, cancel) = (letter(stale), letter(job.cancel_requested));
                format!(
                    "leased by {owner} stale {stale} cancel {cancel} epoch {epoch} attempts {epoch} crashes {}",
                    job.crashes
                )
            }
            Place::Callback => format!("callback epoch {epoch}"),
            Place::Completed => format!("completed epoch {epoch}"),
            Place::Failed => format!("failed epoch {epoch}"),
            Place::Cancelled => format!("cancelled epoch {epoch}"),
        };
        // A call that succeeded is on record before its callback is.
        let recorded = job.completions + u8::from(job.place == Place::Callback);
        format!("{place}; effects {}, successes recorded {recorded}", job.effects)
    });
    texts.collect()
}

/// What a worker says of a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Report {
    Success,
    Ambiguous,
    Aborted,
}

#[derive(Debug)]
pub(crate) struct Tables {
    workers: Vec<PgConnection>,
    keeper: PgConnection,
    application: PgConnection,
    slow: PgConnection,
    listener: PgListener,
    codes: Vec<i32>,
    /// Who the workers are at present.
    ids: Vec<Uuid>,
    /// The jobs of this history: key and id.
    jobs: Vec<(i64, Uuid)>,
    /// The rows that claims took, for a crash that undoes them.
    taken: [Option<Value>; JOBS],
    _database: TestDatabase,
}

impl Tables {
    /// `change` is made to the queue's functions before anything runs.
    pub(crate) async fn new(change: Option<&Change<'_>>) -> Result<Self> {
        let database = TestDatabase::from_sql(&format!("{}{SHOP}", specql_tests::compiled::queue_schema()?)).await?;
        let options: PgConnectOptions = database.url().parse()?;
        let connect = async || PgConnection::connect_with(&options).await;
        let mut keeper = connect().await?;
        let operations = KINDS.iter().enumerate().map(|(job, kind)| {
            json!({"service": "pay", "operation": format!("job{job}"), "execution_type": "http", "timeout_seconds": 30,
                "max_attempts": MAX_ATTEMPTS, "unique": "never", "idempotent": kind.idempotent})
        });
        let codes = sqlx::query_scalar("SELECT code FROM jobs.register_operations($1)")
            .bind(Value::from_iter(operations))
            .fetch_all(&mut keeper)
            .await?;
        if let Some(change) = change {
            change.make(&mut keeper).await?;
        }
        let mut listener = PgListener::connect_with(database.pool()).await?;
        listener.listen("jobs_ready").await?;
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            workers.push(connect().await?);
        }
        Ok(Self {
            workers,
            keeper,
            application: connect().await?,
            slow: connect().await?,
            listener,
            codes,
            ids: Vec::new(),
            jobs: Vec::new(),
            taken: [const { None }; JOBS],
            _database: database,
        })
    }

    /// A new history, with new workers.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.jobs.clear();
        self.taken = [const { None }; JOBS];
        self.ids = vec![Uuid::nil(); WORKERS];
        for worker in 0..WORKERS {
            self.start_worker(worker).await?;
        }
        Ok(())
    }

    /// A worker starts, or starts again after a kill.
    pub(crate) async fn start_worker(&mut self, worker: usize) -> Result<()> {
        self.ids[worker] = Uuid::new_v4();
        sqlx::query("SELECT jobs.register_worker($1, 'model', '0', '{}')")
            .bind(self.ids[worker])
            .execute(&mut self.workers[worker])
            .await?;
        Ok(())
    }

    pub(crate) async fn standing(&mut self) -> Result<Vec<String>> {
        let pks: Vec<i64> = self.jobs.iter().map(|(pk, _)| *pk).collect();
        Ok(sqlx::query_scalar(STANDING).bind(pks).bind(&self.ids).fetch_all(&mut self.keeper).await?)
    }

    /// A transaction that is slow to end takes the gate of notifications, or leaves it.
    pub(crate) async fn hold_gate(&mut self, held: bool) -> Result<()> {
        let sql = if held { "BEGIN; SELECT pg_advisory_xact_lock(1399869772, 1)" } else { "ROLLBACK" };
        sqlx::raw_sql(sql).execute(&mut self.slow).await?;
        Ok(())
    }

    /// Whether somebody who listens was woken since the last time. One who must have been is given time to hear it.
    pub(crate) async fn was_woken(&mut self, must: bool) -> Result<bool> {
        for _ in 0..100 {
            sqlx::query("SELECT 1").execute(&mut self.listener).await?;
            let mut woken = false;
            while self.listener.next_buffered().is_some() {
                woken = true;
            }
            if woken || !must {
                return Ok(woken);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(false)
    }

    pub(crate) async fn enqueue(&mut self, job: usize) -> Result<()> {
        ensure!(job == self.jobs.len(), "jobs are made in their order");
        let id: Uuid = sqlx::query_scalar(
            "SELECT job_id FROM jobs.enqueue_step('pay', $1, '{}', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL,
                'Order', $2, $3, NULL)",
        )
        .bind(format!("job{job}"))
        .bind(i64::try_from(job)?)
        .bind(KINDS[job].callback.then(|| format!("shop.cb_done_{job}")))
        .fetch_one(&mut self.application)
        .await?;
        let pk = sqlx::query_scalar("SELECT pk_job_run FROM jobs.tb_job_run WHERE id = $1")
            .bind(id)
            .fetch_one(&mut self.application)
            .await?;
        self.jobs.push((pk, id));
        Ok(())
    }

    /// Claims so many: which jobs with which epoch, and whether the claim waits for the disk. The queue may look at a part
    /// of itself at a time; a worker comes again, and so does this.
    pub(crate) async fn claim(&mut self, worker: usize, most: usize) -> Result<(Vec<(usize, i32)>, bool)> {
        for job in 0..self.jobs.len() {
            let row: Option<Value> =
                sqlx::query_scalar("SELECT to_jsonb(r) FROM jobs.tb_job_ready AS r WHERE r.pk_job_run = $1")
                    .bind(self.jobs[job].0)
                    .fetch_optional(&mut self.keeper)
                    .await?;
            if row.is_some() {
                self.taken[job] = row;
            }
        }
        for _ in 0..50 {
            let mut claim = self.workers[worker].begin().await?;
            sqlx::query("SET LOCAL synchronous_commit = on").execute(&mut *claim).await?;
            let rows: Vec<(i64, i32)> = sqlx::query_as("SELECT pk_job_run, epoch FROM jobs.claim($1, $2, $3, true)")
                .bind(self.ids[worker])
                .bind(&self.codes)
                .bind(i32::try_from(most)?)
                .fetch_all(&mut *claim)
                .await?;
            let flush: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *claim).await?;
            claim.commit().await?;
            if !rows.is_empty() {
                let claimed =
                    rows.into_iter().map(|(pk, epoch)| Ok((self.number(pk)?, epoch))).collect::<Result<_>>()?;
                return Ok((claimed, flush == "on"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok((Vec::new(), false))
    }

    /// A worker's report on a lease: what it is answered.
    pub(crate) async fn report(&mut self, worker: usize, job: usize, epoch: u8, report: Report) -> Result<String> {
        let id = self.ids[worker];
        let (pk, epoch) = (vec![self.jobs[job].0], vec![i32::from(epoch)]);
        let query = match report {
            Report::Success => sqlx::query_scalar(
                "SELECT result FROM jobs.complete($1, $2, $3, ARRAY['{}'::jsonb], ARRAY[NULL::jsonb])",
            ),
            // What may not be repeated, no worker asks to repeat.
            Report::Ambiguous if KINDS[job].idempotent => sqlx::query_scalar(
                "SELECT result FROM jobs.fail($1, $2, $3, ARRAY['ambiguous'], ARRAY['no answer'], ARRAY[0::bigint],
                    ARRAY[true], ARRAY[NULL::jsonb])",
            ),
            Report::Ambiguous => sqlx::query_scalar(
                "SELECT result FROM jobs.fail($1, $2, $3, ARRAY['ambiguous'], ARRAY['no answer'], ARRAY[NULL::bigint],
                    ARRAY[true], ARRAY[NULL::jsonb])",
            ),
            Report::Aborted => sqlx::query_scalar(
                "SELECT result FROM jobs.fail($1, $2, $3, ARRAY['cancelled'], ARRAY['cancelled'], ARRAY[NULL::bigint],
                    ARRAY[true], ARRAY[NULL::jsonb])",
            ),
        };
        Ok(query.bind(id).bind(pk).bind(epoch).fetch_one(&mut self.workers[worker]).await?)
    }

    /// How many leases `jobs.release` gave back.
    pub(crate) async fn release(&mut self, worker: usize, job: usize, epoch: u8) -> Result<i32> {
        let (pk, epoch) = (vec![self.jobs[job].0], vec![i32::from(epoch)]);
        Ok(sqlx::query_scalar("SELECT jobs.release($1, $2, $3)")
            .bind(self.ids[worker])
            .bind(pk)
            .bind(epoch)
            .fetch_one(&mut self.workers[worker])
            .await?)
    }

    /// Which of these leases are still held, and whether their end is asked for.
    pub(crate) async fn heartbeat(&mut self, worker: usize, leases: &[(usize, u8)]) -> Result<Vec<(usize, bool)>> {
        let (pks, epochs): (Vec<i64>, Vec<i32>) =
            leases.iter().map(|(job, epoch)| (self.jobs[*job].0, i32::from(*epoch))).unzip();
        let held: Vec<(i64, bool)> =
            sqlx::query_as("SELECT pk_job_run, cancel_requested FROM jobs.heartbeat($1, $2, $3) ORDER BY 1")
                .bind(self.ids[worker])
                .bind(pks)
                .bind(epochs)
                .fetch_all(&mut self.workers[worker])
                .await?;
        held.into_iter().map(|(pk, cancel)| Ok((self.number(pk)?, cancel))).collect()
    }

    /// Whether the callback of a job raises.
    pub(crate) async fn set_broken(&mut self, job: usize, broken: bool) -> Result<()> {
        let sql = match broken {
            true => "INSERT INTO shop.tb_broken (id) VALUES ($1)",
            false => "DELETE FROM shop.tb_broken WHERE id = $1",
        };
        sqlx::query(sql).bind(self.jobs[job].1).execute(&mut self.application).await?;
        Ok(())
    }

    /// The next try of a job's callback is due, and is made: how many were.
    pub(crate) async fn run_callback(&mut self, job: usize) -> Result<i32> {
        sqlx::query("UPDATE jobs.tb_job_callback SET run_at = clock_timestamp() WHERE pk_job_run = $1")
            .bind(self.jobs[job].0)
            .execute(&mut self.keeper)
            .await?;
        Ok(sqlx::query_scalar("SELECT jobs.run_callbacks()").fetch_one(&mut self.keeper).await?)
    }

    /// What waits for a time that has come is ready.
    pub(crate) async fn promote(&mut self) -> Result<()> {
        sqlx::query("SELECT jobs.promote()").execute(&mut self.keeper).await?;
        Ok(())
    }

    pub(crate) async fn cancel(&mut self, job: usize) -> Result<String> {
        Ok(sqlx::query_scalar("SELECT jobs.cancel($1)").bind(self.jobs[job].1).fetch_one(&mut self.application).await?)
    }

    /// Ten seconds pass in which nobody renews the lease.
    pub(crate) async fn age(&mut self, job: usize) -> Result<()> {
        sqlx::query(
            "UPDATE jobs.tb_job_lease SET renewed_at = clock_timestamp() - interval '11 seconds' WHERE pk_job_run = $1",
        )
        .bind(self.jobs[job].0)
        .execute(&mut self.keeper)
        .await?;
        Ok(())
    }

    pub(crate) async fn rescue(&mut self) -> Result<i32> {
        Ok(sqlx::query_scalar("SELECT jobs.rescue()").fetch_one(&mut self.keeper).await?)
    }

    /// What a crash of PostgreSQL leaves of a claim that was not on disk: nothing.
    pub(crate) async fn undo_claim(&mut self, job: usize) -> Result<()> {
        let row = self.taken[job].clone().context("a job that was claimed")?;
        let mut crash = self.keeper.begin().await?;
        sqlx::query("DELETE FROM jobs.tb_job_lease WHERE pk_job_run = $1")
            .bind(self.jobs[job].0)
            .execute(&mut *crash)
            .await?;
        sqlx::query("INSERT INTO jobs.tb_job_ready SELECT * FROM jsonb_populate_record(NULL::jobs.tb_job_ready, $1)")
            .bind(row)
            .execute(&mut *crash)
            .await?;
        crash.commit().await?;
        Ok(())
    }

    fn number(&self, pk: i64) -> Result<usize> {
        self.jobs.iter().position(|(known, _)| *known == pk).with_context(|| format!("no job of this history: {pk}"))
    }
}
