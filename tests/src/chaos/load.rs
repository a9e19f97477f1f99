//! What goes on meanwhile: tasks are queued and cancelled, dials are turned, and somebody counts what runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use specql_runtime::Database;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::sync::watch;
use uuid::Uuid;

use crate::work::{
    PROJECT,
    actions::{
        dial::{self, SpinDial, TurnDial},
        task::{self, DetourTask, PayTask, RunTask, SqueezeTask},
    },
};

/// What one producer did.
#[derive(Debug, Default)]
pub(super) struct Produced {
    /// Jobs of transactions whose commit was answered.
    pub(super) acknowledged: Vec<Uuid>,
    /// Transactions that failed, or whose end is unknown.
    pub(super) refused: usize,
    pub(super) cancelled: usize,
}

/// Queues tasks and turns dials until it is told to stop.
pub(super) async fn produce(
    database: Database,
    seed: u64,
    dials: Arc<[Uuid]>,
    stop: watch::Receiver<bool>,
) -> Produced {
    let mut random = StdRng::seed_from_u64(seed);
    let mut produced = Produced::default();
    while !*stop.borrow() {
        let turn = random.random_bool(0.2);
        let done =
            if turn { turn_one(&database, &mut random, &dials).await } else { one(&database, &mut random).await };
        match done {
            Ok(job) => {
                produced.acknowledged.push(job);
                // The last word to a display is not cancelled.
                if !turn && random.random_bool(0.03) {
                    let cancel = sqlx::query("SELECT jobs.cancel($1)").bind(job).execute(database.pool()).await;
                    produced.cancelled += usize::from(cancel.is_ok());
                }
            }
            Err(()) => produced.refused += 1,
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(5..40))).await;
    }
    produced
}

/// One task in a transaction of its own; its job. What an error means is known to nobody, and that is the point.
async fn one(database: &Database, random: &mut StdRng) -> Result<Uuid, ()> {
    let how = match random.random_range(0..100) {
        0..50 => "now".to_owned(),
        50..90 => format!("{}ms", random.random_range(1..200)),
        90..96 => format!("{}ms", random.random_range(200..4_000)),
        _ => "refuse".to_owned(),
    };
    let sent = match random.random_range(0..20) {
        0..4 => {
            let input = PayTask::builder().how(how).build();
            task::pay_task(input).send(database).await.map(|sent| sent.jobs)
        }
        4..6 => {
            // Few at once: long ones would still be there when all else has ended.
            let how = format!("{}ms", random.random_range(1..100));
            let input = SqueezeTask::builder().how(how).build();
            task::squeeze_task(input).send(database).await.map(|sent| sent.jobs)
        }
        6 => {
            // The same slots, taken by a fallback.
            let how = format!("{}ms", random.random_range(1..100));
            let input = DetourTask::builder().how(how).build();
            task::detour_task(input).send(database).await.map(|sent| sent.jobs)
        }
        _ => {
            let input = RunTask::builder().how(how).build();
            task::run_task(input).send(database).await.map(|sent| sent.jobs)
        }
    };
    sent.ok().and_then(|jobs| jobs.first().map(|job| job.job_id)).ok_or(())
}

/// A dial is set to one of few values, so that some come back; the job that tells its display. Every other dial's display
/// is told of the newest value alone.
async fn turn_one(database: &Database, random: &mut StdRng, dials: &[Uuid]) -> Result<Uuid, ()> {
    let number = random.random_range(0..dials.len());
    let (id, value) = (dials[number], random.random_range(1..5));
    let how = if random.random_bool(0.5) { "now".to_owned() } else { format!("{}ms", random.random_range(1..150)) };
    let sent = if number.is_multiple_of(2) {
        let input = TurnDial::builder().id(id).value(value).how(how).build();
        dial::turn_dial(input).send(database).await.map(|sent| sent.jobs)
    } else {
        let input = SpinDial::builder().id(id).value(value).how(how).build();
        dial::spin_dial(input).send(database).await.map(|sent| sent.jobs)
    };
    sent.ok().and_then(|jobs| jobs.first().map(|job| job.job_id)).ok_or(())
}

/// How many jobs of each limited service ran at the worst of the samples.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    pub(super) samples: usize,
    /// The most that ran at once by a fallback.
    pub(super) by_fallbacks: i64,
    /// By service: the limit and the most that ran at once.
    pub(super) most: BTreeMap<String, (i64, i64)>,
}

/// Counts what runs, ten times a second, until it is told to stop.
pub(super) async fn sample(server: PgConnectOptions, stop: watch::Receiver<bool>) -> Sampled {
    let mut sampled = Sampled {
        most: limits().into_iter().map(|(service, limit)| (service, (limit, 0))).collect(),
        ..Sampled::default()
    };
    let mut connection = None;
    while !*stop.borrow() {
        if let Ok((running, open)) = running(&server, connection.take()).await {
            connection = Some(open);
            sampled.samples += 1;
            sampled.by_fallbacks = sampled.by_fallbacks.max(running.iter().map(|(_, _, bound)| bound).sum());
            for (service, count, _) in running {
                if let Some((_, most)) = sampled.most.get_mut(&service) {
                    *most = count.max(*most);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sampled
}

/// The services that may not have more than so many jobs running, over all workers: those of the registry that say so.
fn limits() -> BTreeMap<String, i64> {
    let registry: serde_json::Value = serde_json::from_str(PROJECT.registry).expect("the registry is JSON");
    let services = registry["services"].as_object().expect("services by name");
    let limit = |service: &serde_json::Value| service["limits"]["concurrency"].as_i64();
    services.iter().filter_map(|(name, service)| Some((name.clone(), limit(service)?))).collect()
}

/// By service what runs, and how much of it because the service is a fallback.
async fn running(
    server: &PgConnectOptions,
    open: Option<PgConnection>,
) -> Result<(Vec<(String, i64, i64)>, PgConnection), sqlx::Error> {
    let mut connection = match open {
        Some(connection) => connection,
        None => server.connect().await?,
    };
    // What a fallback carries out runs under the fallback's limit, once it has begun.
    let sql = "SELECT o.service_name, count(*), count(*) FILTER (WHERE o.code <> l.operation_code) FROM jobs.tb_job_lease AS l
        JOIN jobs.tb_operation AS o ON o.code = CASE WHEN l.bound_code > 0 THEN l.bound_code ELSE l.operation_code END
        GROUP BY 1";
    let rows = sqlx::query_as(sql).fetch_all(&mut connection).await?;
    Ok((rows, connection))
}

/// A producer and sampler run apart from the faults; this is how they are told to end.
pub(super) fn stop_signal() -> (Arc<watch::Sender<bool>>, watch::Receiver<bool>) {
    let (sender, receiver) = watch::channel(false);
    (Arc::new(sender), receiver)
}

/// Which of these jobs the database does not have.
pub(super) async fn missing(server: &PgConnectOptions, jobs: &[Uuid]) -> Result<i64, sqlx::Error> {
    let mut connection = server.connect().await?;
    let sql = "SELECT count(*) FROM unnest($1) AS a (id) WHERE NOT EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE j.id = a.id)";
    let missing = sqlx::query_scalar(sql).bind(jobs).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(missing)
}
