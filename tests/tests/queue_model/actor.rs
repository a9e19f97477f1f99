//! One user of the queue among several, with a connection of its own: now an application, now a worker, now the keeper.
//!
//! Each step is a transaction. Some are slow to end, and hold what they have locked; some of those are undone.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use specql_tests::random::Random;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    database::uuid_of,
    kind::Kind,
    ledger::{Held, Ledger, Told},
    step::{ORDERS, Operation, WORKERS},
};

/// The longest that a transaction stays open on purpose.
const SLOW_MS: usize = 200;

/// The classes that a worker reports here: certain, uncertain, and asked for.
const CLASSES: [&str; 6] =
    ["permanent_reported", "transient_reported", "ambiguous", "not_started", "timeout", "cancelled"];

pub(crate) struct Actor {
    pub(crate) number: usize,
    pub(crate) connection: PgConnection,
    pub(crate) random: Random,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) operations: Vec<i32>,
    /// What the keys of this round begin with, and how many there are.
    pub(crate) round: String,
    pub(crate) keys: usize,
}

pub(crate) fn open(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Actor {
    /// Does one thing after another until then.
    pub(crate) async fn live(mut self, until: Instant) -> Result<()> {
        while Instant::now() < until {
            if self.random.chance(50) {
                sleep(Duration::from_millis(u64::try_from(self.random.below(8))?)).await;
            }
            self.step().await?;
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<()> {
        let kind = Kind::any(&mut self.random);
        let slow = kind == Kind::LockOrder || self.random.chance(if kind == Kind::Act { 20 } else { 8 });
        let undone = slow && self.random.chance(40);
        let open_for = Duration::from_millis(u64::try_from(10 + self.random.below(SLOW_MS - 10))?);
        let began = Instant::now();

        let mut transaction = self.connection.begin().await?;
        let mut told = Told::default();
        let mut doing = Doing {
            connection: &mut transaction,
            random: &mut self.random,
            ledger: &self.ledger,
            operations: &self.operations,
            round: &self.round,
            keys: self.keys,
            told: &mut told,
        };
        let done = doing.act(kind).await;
        let took = began.elapsed();
        let mut how = String::new();
        let failed = match done {
            Ok(what) => {
                how.push_str(&what);
                if slow {
                    sleep(open_for).await;
                    how.push_str(&format!(
                        ", {} ms later {}",
                        open_for.as_millis(),
                        if undone { "undone" } else { "committed" }
                    ));
                }
                if undone {
                    transaction.rollback().await?;
                    open(&self.ledger).undone(told);
                } else {
                    transaction.commit().await.context("commit")?;
                    open(&self.ledger).committed(told);
                }
                None
            }
            Err(error) => {
                transaction.rollback().await?;
                let code = match error.downcast_ref::<sqlx::Error>() {
                    Some(sqlx::Error::Database(refusal)) => refusal.code().unwrap_or_default().into_owned(),
                    _ => String::new(),
                };
                how.push_str(&format!("refused: {code} {error:#}"));
                open(&self.ledger).undone(told);
                let expected = kind.may_raise(&code);
                open(&self.ledger).note(&code);
                (!expected).then(|| anyhow!("{kind:?} raised {code} after {took:.1?}: {error:#}"))
            }
        };
        let mut ledger = open(&self.ledger);
        ledger.log.push(format!("connection {} {kind:?} ({took:.1?}): {how}", self.number));
        let longest = u32::try_from(took.as_millis())?;
        let so_far = ledger.figures.entry("longest ms".to_owned()).or_default();
        *so_far = longest.max(*so_far);
        drop(ledger);
        failed.map_or(Ok(()), Err)
    }
}

/// What happens inside of one transaction.
struct Doing<'a> {
    connection: &'a mut PgConnection,
    random: &'a mut Random,
    ledger: &'a Mutex<Ledger>,
    operations: &'a [i32],
    round: &'a str,
    keys: usize,
    told: &'a mut Told,
}

impl Doing<'_> {
    fn note(&self, what: &str) {
        open(self.ledger).note(what);
    }

    fn key(&mut self) -> String {
        format!("{}k{}", self.round, self.random.below(self.keys))
    }

    /// Does it, and says for people what was done.
    async fn act(&mut self, kind: Kind) -> Result<String> {
        match kind {
            Kind::Act => self.act_on_order().await,
            Kind::Enqueue => self.enqueue().await,
            Kind::EnqueueMany => self.enqueue_many().await,
            Kind::Claim => self.claim().await,
            Kind::Heartbeat | Kind::Complete | Kind::Fail | Kind::Release => self.report(kind).await,
            Kind::Cancel => self.cancel().await,
            Kind::Retry => self.retry().await,
            Kind::Stall => {
                let worker = u8::try_from(self.random.below(usize::from(WORKERS)))?;
                let leases = sqlx::query(
                    "UPDATE jobs.tb_job_lease SET renewed_at = clock_timestamp() - interval '1 minute'
                    WHERE pk_job_run IN (
                        SELECT l.pk_job_run FROM jobs.tb_job_lease AS l WHERE l.worker_code = jobs.code_of($1) FOR UPDATE SKIP LOCKED)",
                )
                .bind(uuid_of(worker))
                .execute(&mut *self.connection)
                .await?;
                Ok(format!("worker {worker}, {} leases", leases.rows_affected()))
            }
            Kind::Rescue => self.count("SELECT jobs.rescue()").await,
            Kind::PassTime => {
                sqlx::raw_sql(
                    "UPDATE jobs.tb_job_scheduled SET run_at = clock_timestamp() - interval '1 hour'
                    WHERE pk_job_run IN (
                        SELECT s.pk_job_run FROM jobs.tb_job_scheduled AS s WHERE s.after_pk IS NULL FOR UPDATE SKIP LOCKED);
                    UPDATE jobs.tb_job_callback SET run_at = clock_timestamp() - interval '1 hour'
                    WHERE pk_job_run IN (
                        SELECT c.pk_job_run FROM jobs.tb_job_callback AS c WHERE c.run_at IS NOT NULL FOR UPDATE SKIP LOCKED)",
                )
                .execute(&mut *self.connection)
                .await?;
                Ok(String::new())
            }
            Kind::Promote => self.count("SELECT jobs.promote()").await,
            Kind::RunCallbacks => self.count("SELECT jobs.run_callbacks()").await,
            Kind::LockOrder => {
                let order = self.order();
                sqlx::query("SELECT FROM shop.tb_order AS o WHERE o.pk_order = $1 FOR UPDATE")
                    .bind(order)
                    .execute(&mut *self.connection)
                    .await?;
                Ok(format!("order {order}"))
            }
            Kind::Break => {
                let (order, broken) = (self.order(), self.random.chance(40));
                let sql = match broken {
                    true => "INSERT INTO shop.tb_broken (pk_order) VALUES ($1) ON CONFLICT DO NOTHING",
                    false => "DELETE FROM shop.tb_broken WHERE pk_order = $1",
                };
                sqlx::query(sql).bind(order).execute(&mut *self.connection).await?;
                Ok(format!("order {order}: {broken}"))
            }
        }
    }

    fn order(&mut self) -> i64 {
        i64::from(u8::try_from(self.random.below(usize::from(ORDERS))).unwrap_or_default())
    }

    async fn count(&mut self, sql: &'static str) -> Result<String> {
        let count: i32 = sqlx::query_scalar(sql).fetch_one(&mut *self.connection).await?;
        Ok(count.to_string())
    }

    /// What is committed now.
    async fn seen(&mut self) -> Result<String> {
        Ok(sqlx::query_scalar("SELECT pg_current_snapshot()::text").fetch_one(&mut *self.connection).await?)
    }

    async fn queued(&mut self, seen: &str, made: Vec<(Uuid, bool)>) -> Result<String> {
        let mut said = String::new();
        for (id, deduplicated) in made {
            let pk: i64 = sqlx::query_scalar("SELECT pk_job_run FROM jobs.tb_job_run WHERE id = $1")
                .bind(id)
                .fetch_one(&mut *self.connection)
                .await?;
            if deduplicated {
                self.told.repeats.push((pk, seen.to_owned()));
            } else {
                self.told.jobs.push((pk, id));
            }
            self.note(if deduplicated { "duplicate" } else { "queued" });
            said.push_str(&format!(" {} job {pk}", if deduplicated { "repeats" } else { "made" }));
        }
        Ok(said)
    }

    async fn act_on_order(&mut self) -> Result<String> {
        let order = self.order();
        let operation = *self.random.pick(&Operation::ALL);
        let key = self.key();
        let unique = (operation == Operation::Charge && self.random.chance(30)).then_some("latest");
        let input = json!({"n": self.random.below(3)});
        let callback = |name: &str, wanted: bool| wanted.then(|| format!("shop.{name}_{}", operation.name()));
        let on_success = callback("cb_done", self.random.chance(60));
        let on_failure = callback("cb_failed", self.random.chance(60));
        let delayed = self.random.chance(10);
        sqlx::query("UPDATE shop.tb_order AS o SET touched = o.touched + 1 WHERE o.pk_order = $1")
            .bind(order)
            .execute(&mut *self.connection)
            .await?;
        let seen = self.seen().await?;
        let made = sqlx::query_as(
            "SELECT job_id, deduplicated FROM jobs.enqueue_step('pay', $1, $2, $3, NULL, $4, NULL, NULL, NULL, 0,
                CASE WHEN $5 THEN clock_timestamp() + interval '1 day' END, NULL, NULL, 'Order', $6, $7, $8)",
        )
        .bind(operation.name())
        .bind(&input)
        .bind(&key)
        .bind(unique)
        .bind(delayed)
        .bind(order)
        .bind(on_success)
        .bind(on_failure)
        .fetch_all(&mut *self.connection)
        .await?;
        let made = self.queued(&seen, made).await?;
        Ok(format!(
            "{} {} {key} {input}{}:{made}",
            operation.name(),
            unique.unwrap_or(""),
            if delayed { " delayed" } else { "" }
        ))
    }

    async fn enqueue(&mut self) -> Result<String> {
        let operation = *self.random.pick(&Operation::ALL);
        let key = self.random.chance(60).then(|| self.key());
        let input = json!({"n": self.random.below(2)});
        let seen = self.seen().await?;
        let made = sqlx::query_as("SELECT job_id, deduplicated FROM jobs.enqueue('pay', $1, $2, $3)")
            .bind(operation.name())
            .bind(&input)
            .bind(&key)
            .fetch_all(&mut *self.connection)
            .await?;
        let made = self.queued(&seen, made).await?;
        Ok(format!("{} chosen {key:?} {input}:{made}", operation.name()))
    }

    async fn enqueue_many(&mut self) -> Result<String> {
        let operation = *self.random.pick(&Operation::ALL);
        let input = json!({"n": self.random.below(2)});
        let keys: Vec<Option<String>> =
            (0..=self.random.below(3)).map(|_| self.random.chance(80).then(|| self.key())).collect();
        let seen = self.seen().await?;
        let made =
            sqlx::query_as("SELECT job_id, deduplicated FROM jobs.enqueue_many('pay', $1, $2, $3) ORDER BY ordinal")
                .bind(operation.name())
                .bind(vec![input.clone(); keys.len()])
                .bind(&keys)
                .fetch_all(&mut *self.connection)
                .await?;
        let made = self.queued(&seen, made).await?;
        Ok(format!("{} {keys:?} {input}:{made}", operation.name()))
    }

    async fn claim(&mut self) -> Result<String> {
        let worker = u8::try_from(self.random.below(usize::from(WORKERS)))?;
        let most = i32::try_from(1 + self.random.below(4))?;
        let rows: Vec<(i64, i32)> = sqlx::query_as("SELECT pk_job_run, epoch FROM jobs.claim($1, $2, $3, $4)")
            .bind(uuid_of(worker))
            .bind(self.operations)
            .bind(most)
            .bind(self.random.chance(80))
            .fetch_all(&mut *self.connection)
            .await?;
        ensure!(rows.len() <= usize::try_from(most)?, "{} jobs were claimed, and {most} asked for", rows.len());
        for _ in &rows {
            self.note("claimed");
        }
        self.told.leases.extend(rows.iter().map(|(pk, epoch)| Held { worker, pk: *pk, epoch: *epoch }));
        Ok(format!("worker {worker}: {rows:?}"))
    }

    /// Leases of one worker. Mostly nobody else has them then; else two may report on one.
    fn pick(&mut self) -> Vec<Held> {
        let mut ledger = open(self.ledger);
        let leases = &mut ledger.told.leases;
        if leases.is_empty() {
            return Vec::new();
        }
        let first = *self.random.pick(leases);
        let mut picked: Vec<Held> = vec![first];
        for other in leases.iter().filter(|other| other.worker == first.worker) {
            if picked.len() < 4 && picked.iter().all(|one| one.pk != other.pk) && self.random.chance(50) {
                picked.push(*other);
            }
        }
        if self.random.chance(80) {
            leases.retain(|lease| !picked.contains(lease));
            self.told.reported.clone_from(&picked);
        }
        picked
    }

    async fn report(&mut self, kind: Kind) -> Result<String> {
        let picked = self.pick();
        let Some(first) = picked.first() else { return Ok("nothing".to_owned()) };
        let forged = self.random.chance(5);
        let worker = if forged { (first.worker + 1) % WORKERS } else { first.worker };
        let id = uuid_of(worker);
        let (pks, epochs): (Vec<i64>, Vec<i32>) = picked.iter().map(|lease| (lease.pk, lease.epoch)).unzip();
        let about = format!("worker {worker}{}: {pks:?} {epochs:?}", if forged { " (forged)" } else { "" });
        let count = pks.len();
        let results: Vec<(i64, String)> = match kind {
            Kind::Heartbeat => {
                let held: Vec<(i64, bool)> =
                    sqlx::query_as("SELECT pk_job_run, cancel_requested FROM jobs.heartbeat($1, $2, $3)")
                        .bind(id)
                        .bind(&pks)
                        .bind(&epochs)
                        .fetch_all(&mut *self.connection)
                        .await?;
                ensure!(!forged || held.is_empty(), "{about} renews what it does not have: {held:?}");
                // The worker still has what is held.
                let still = self.told.reported.iter().filter(|lease| held.iter().any(|(pk, _)| *pk == lease.pk));
                self.told.leases.extend(still);
                return Ok(format!("{about}: {held:?}"));
            }
            Kind::Release => {
                let released: i32 = sqlx::query_scalar("SELECT jobs.release($1, $2, $3)")
                    .bind(id)
                    .bind(&pks)
                    .bind(&epochs)
                    .fetch_one(&mut *self.connection)
                    .await?;
                ensure!(!forged || released == 0, "{about} gives back what it does not have");
                self.note(if released > 0 { "released" } else { "nothing released" });
                return Ok(format!("{about}: {released}"));
            }
            Kind::Complete => {
                let outputs: Vec<Value> = epochs.iter().map(|epoch| json!({"epoch": epoch})).collect();
                sqlx::query_as("SELECT pk_job_run, result FROM jobs.complete($1, $2, $3, $4, NULL)")
                    .bind(id)
                    .bind(&pks)
                    .bind(&epochs)
                    .bind(outputs)
                    .fetch_all(&mut *self.connection)
                    .await?
            }
            _ => {
                let class = *self.random.pick(&CLASSES);
                let wait = *self.random.pick(&[None, Some(0_i64), Some(0), Some(20)]);
                let counted = self.random.chance(80);
                sqlx::query_as("SELECT pk_job_run, result FROM jobs.fail($1, $2, $3, $4, $5, $6, $7, NULL)")
                    .bind(id)
                    .bind(&pks)
                    .bind(&epochs)
                    .bind(vec![class; count])
                    .bind(vec!["declined"; count])
                    .bind(vec![wait; count])
                    .bind(vec![counted; count])
                    .fetch_all(&mut *self.connection)
                    .await?
            }
        };
        ensure!(!forged || results.iter().all(|(_, result)| result == "fenced"), "{about} is listened to: {results:?}");
        for (pk, result) in &results {
            self.note(result);
            let epoch = picked.iter().find(|lease| lease.pk == *pk).context("a job that was reported on")?.epoch;
            self.told.ends.push((*pk, epoch, result.clone()));
        }
        Ok(format!("{about}: {results:?}"))
    }

    fn any_job(&mut self) -> Option<(i64, Uuid)> {
        let ledger = open(self.ledger);
        // One of the last, mostly: earlier ones are long over.
        let jobs = &ledger.told.jobs;
        let from = if self.random.chance(80) { jobs.len().saturating_sub(8) } else { 0 };
        (!jobs.is_empty()).then(|| *self.random.pick(&jobs[from..]))
    }

    async fn cancel(&mut self) -> Result<String> {
        let Some((pk, id)) = self.any_job() else { return Ok("nothing".to_owned()) };
        let said: String =
            sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(&mut *self.connection).await?;
        self.note(&said);
        match said.as_str() {
            "cancelling" => {
                let at = sqlx::query_scalar("SELECT clock_timestamp()::text").fetch_one(&mut *self.connection).await?;
                self.told.cancelling.push((pk, at));
            }
            "cancelled" => self.told.cancelled.push(pk),
            "finished" => {}
            other => bail!("the cancel of job {pk} is answered `{other}`"),
        }
        Ok(format!("job {pk}: {said}"))
    }

    async fn retry(&mut self) -> Result<String> {
        let Some((pk, id)) = self.any_job() else { return Ok("nothing".to_owned()) };
        sqlx::query("SELECT jobs.retry($1)")
            .bind(id)
            .execute(&mut *self.connection)
            .await
            .with_context(|| format!("job {pk}"))?;
        self.note("retried");
        Ok(format!("job {pk}"))
    }
}
