//! Several users at the same time, and what must hold whatever the order in which they came.
//!
//! A seed settles what each of them does, not when the other comes in between: a failing seed is tried again, and may pass.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use specql_runtime::testing::TestDatabase;
use specql_tests::{change::Change, random::Random};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    actor::{Actor, open},
    database::{prepared, uuid_of},
    invariants::{INVARIANTS, KEYS_IN_TURN},
    ledger::{Ledger, WATCH, was_true},
    step::WORKERS,
};

/// No statement waits for so long, where nobody holds anything for a fifth of a second.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long the users are at it before all is looked at.
const ROUND: Duration = Duration::from_secs(1);
/// Of what happened before a failure, so much is told.
const LAST_STEPS: usize = 200;

/// What a run came to.
#[derive(Debug)]
pub(crate) enum Run {
    Right { rounds: usize, figures: BTreeMap<String, u32> },
    Wrong(String),
}

/// Rounds of random steps, on a queue of its own in whose functions the change was made, until the time is over or
/// something is wrong.
pub(crate) fn run(seed: u64, time: Duration, change: Option<&Change<'_>>) -> Result<Run> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (database, operations) = prepared(change).await?;
        let mut onlooker = connect(&database, None).await?;
        sqlx::raw_sql(WATCH).execute(&mut onlooker).await?;
        let began = Instant::now();
        let mut random = Random::new(seed);
        let mut sum: BTreeMap<String, u32> = BTreeMap::new();
        let mut rounds = 0;
        while began.elapsed() < time {
            let ledger = Arc::new(Mutex::new(Ledger::default()));
            let wrong = round(&database, &operations, &mut onlooker, &mut random, rounds, &ledger).await;
            let ledger = std::mem::take(&mut *open(&ledger));
            if let Err(wrong) = wrong {
                let from = ledger.log.len().saturating_sub(LAST_STEPS);
                let told = ledger.log[from..].join("\n  ");
                return Ok(Run::Wrong(format!("seed {seed}, round {rounds}:\n  {told}\n{wrong:#}")));
            }
            for (what, count) in ledger.figures {
                let so_far = sum.entry(what.clone()).or_default();
                *so_far = if what == "longest ms" { count.max(*so_far) } else { *so_far + count };
            }
            rounds += 1;
        }
        Ok(Run::Right { rounds, figures: sum })
    })
}

async fn connect(database: &TestDatabase, longest_wait: Option<Duration>) -> Result<PgConnection> {
    let options: PgConnectOptions = database.url().parse()?;
    let options = match longest_wait {
        Some(wait) => options.options([("statement_timeout", wait.as_millis().to_string())]),
        None => options,
    };
    Ok(PgConnection::connect_with(&options).await?)
}

async fn round(
    database: &TestDatabase,
    operations: &[i32],
    onlooker: &mut PgConnection,
    random: &mut Random,
    number: usize,
    ledger: &Arc<Mutex<Ledger>>,
) -> Result<()> {
    let first: i64 =
        sqlx::query_scalar("SELECT nextval('jobs.tb_job_run_pk_job_run_seq')").fetch_one(&mut *onlooker).await?;
    let until = Instant::now() + ROUND;
    let mut lives = JoinSet::new();
    for which in 0..2 + (number / 3) % 3 {
        let actor = Actor {
            number: which,
            connection: connect(database, Some(LONGEST_WAIT)).await?,
            random: Random::new(u64::try_from(random.below(usize::MAX))?),
            ledger: Arc::clone(ledger),
            operations: operations.to_vec(),
            round: format!("r{number}"),
            keys: 1 + number % 3,
        };
        lives.spawn(actor.live(until));
    }
    // The server gives up before this does.
    let all = timeout(ROUND + 4 * LONGEST_WAIT, lives.join_all()).await.context("somebody waits for ever")?;
    all.into_iter().collect::<Result<Vec<()>>>()?;

    drain(onlooker, operations, ledger).await?;
    for (sentence, query) in INVARIANTS.iter().chain(KEYS_IN_TURN) {
        let offenders: Vec<i64> = sqlx::query_scalar(*query).bind(first).fetch_all(&mut *onlooker).await?;
        ensure!(offenders.is_empty(), "it does not hold that {sentence}: jobs {offenders:?}");
    }
    keys_are_free(onlooker).await?;
    let told = std::mem::take(&mut open(ledger).told);
    was_true(&told, onlooker).await
}

/// A key that a job could not give back hinders nobody: the same call is made again.
async fn keys_are_free(onlooker: &mut PgConnection) -> Result<()> {
    let mut again = onlooker.begin().await?;
    let repeated: Vec<i64> = sqlx::query_scalar(
        "SELECT j.pk_job_run
        FROM jobs.tb_job_key AS k
        JOIN jobs.v_job_run AS j ON j.pk_job_run = k.pk_job_run
        JOIN jobs.tb_job_outcome AS o ON o.pk_job_run = k.pk_job_run
        CROSS JOIN LATERAL jobs.enqueue_step('pay', j.operation, j.input_data, coalesce(j.idempotency_key, j.identifier),
            NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 'Order', 0, NULL, NULL) AS made
        WHERE made.deduplicated
            AND CASE o.status WHEN 'completed' THEN k.rule <> 'once' ELSE NOT o.effect_possible END",
    )
    .fetch_all(&mut *again)
    .await?;
    again.rollback().await?;
    ensure!(
        repeated.is_empty(),
        "calls would be taken for repetitions of jobs {repeated:?}, which have freed their keys"
    );
    Ok(())
}

/// Brings every job to its end: the workers of before are dead, the orders are well, and one worker does all.
async fn drain(onlooker: &mut PgConnection, operations: &[i32], ledger: &Mutex<Ledger>) -> Result<()> {
    sqlx::raw_sql("DELETE FROM shop.tb_broken").execute(&mut *onlooker).await?;
    for worker in 0..WORKERS {
        // It has nothing any more, and waits for nobody who has locked a lease of its.
        sqlx::query("SELECT jobs.heartbeat($1, '{}', '{}')").bind(uuid_of(worker)).execute(&mut *onlooker).await?;
    }
    for _ in 0..200 {
        sqlx::raw_sql(
            "UPDATE jobs.tb_job_lease SET renewed_at = clock_timestamp() - interval '1 minute';
            SELECT jobs.rescue();
            UPDATE jobs.tb_job_scheduled SET run_at = clock_timestamp() - interval '1 hour' WHERE after_pk IS NULL;
            UPDATE jobs.tb_job_callback SET run_at = clock_timestamp() - interval '1 hour' WHERE run_at IS NOT NULL;
            SELECT jobs.promote();
            SELECT jobs.run_callbacks()",
        )
        .execute(&mut *onlooker)
        .await?;
        let forgotten: Vec<i64> = sqlx::query_scalar(
            "SELECT s.pk_job_run FROM jobs.tb_job_scheduled AS s
            WHERE EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = s.after_pk)",
        )
        .fetch_all(&mut *onlooker)
        .await?;
        ensure!(forgotten.is_empty(), "jobs {forgotten:?} wait for the end of jobs that have ended");
        let results: Vec<String> = sqlx::query_scalar(
            "WITH c AS MATERIALIZED (SELECT * FROM jobs.claim($1, $2, 1000, true)),
            a AS (SELECT array_agg(c.pk_job_run) AS pks, array_agg(c.epoch) AS epochs,
                array_agg(jsonb_build_object('epoch', c.epoch)) AS outputs FROM c)
            SELECT e.result FROM a CROSS JOIN LATERAL jobs.complete($1, a.pks, a.epochs, a.outputs, NULL) AS e
            WHERE a.pks IS NOT NULL",
        )
        .bind(uuid_of(0))
        .bind(operations)
        .fetch_all(&mut *onlooker)
        .await?;
        if let Some(odd) = results.iter().find(|result| !matches!(result.as_str(), "completed" | "callback_waiting")) {
            bail!("a job that nobody else has is answered `{odd}`");
        }
        let left: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM jobs.tb_job_ready) OR EXISTS (SELECT FROM jobs.tb_job_lease) OR EXISTS (SELECT FROM jobs.tb_job_scheduled)
                OR EXISTS (SELECT FROM jobs.tb_job_callback AS c WHERE c.run_at IS NOT NULL)",
        )
        .fetch_one(&mut *onlooker)
        .await?;
        if !left {
            return Ok(());
        }
        if results.is_empty() {
            // A claim may have looked at a part of the queue.
            sleep(Duration::from_millis(20)).await;
        }
    }
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT format('job %s is ready', r.pk_job_run) FROM jobs.tb_job_ready AS r
        UNION ALL SELECT format('job %s is leased', l.pk_job_run) FROM jobs.tb_job_lease AS l
        UNION ALL SELECT format('job %s waits for %s, until %s', s.pk_job_run, s.after_pk, s.run_at) FROM jobs.tb_job_scheduled AS s
        UNION ALL SELECT format('the callback of job %s waits', c.pk_job_run) FROM jobs.tb_job_callback AS c",
    )
    .fetch_all(&mut *onlooker)
    .await?;
    open(ledger).log.extend(left);
    bail!("not every job comes to its end")
}
