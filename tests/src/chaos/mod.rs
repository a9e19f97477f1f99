//! Everything goes wrong at once: producers and three worker processes, and a seeded plan that kills workers, sessions and
//! PostgreSQL, pauses processes, breaks their network, leads them to a standby, and keeps transactions open that hold what they
//! want. Then all is healed, the queue drains, and what must hold is checked.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | what goes wrong, and when |
//! | `fleet` | the worker processes, each behind a network of its own |
//! | `load` | producers, and who counts what runs |
//! | `holds` | transactions of somebody else that stay open |
//! | `dials` | values of which displays are told, the newest last |
//! | `recovery` | how long the jobs of a killed worker waited |
//! | [`report`] | what was done, and what did not hold |

mod dials;
mod fleet;
mod holds;
mod load;
pub mod plan;
mod recovery;
pub mod report;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{postgres::PgPoolOptions, types::chrono::Utc};

pub use self::{dials::Displays, recovery::Recovery};
use self::{
    fleet::Fleet,
    holds::Holds,
    plan::{Event, NOTICES},
    recovery::Span,
    report::Report,
};
use crate::{
    server::OwnServer,
    work::{PROJECT, Queue, Standing},
};

/// Queue tasks at the same time.
const PRODUCERS: u64 = 3;
/// How long all jobs may take to end when everything works again.
const DRAIN: Duration = Duration::from_secs(60);

/// A run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long things go wrong.
    pub length: Duration,
    /// What the plan is drawn from.
    pub seed: u64,
    /// The binary `task-worker`.
    pub worker: PathBuf,
    /// How soon the jobs of a killed worker must go on while one worker reaches PostgreSQL.
    pub recovery: Duration,
}

/// Runs it on a PostgreSQL of its own.
///
/// # Panics
/// When the machine does not let it run. What does not hold is in the report.
pub async fn run(settings: &Settings) -> Report {
    let plan = plan::draw(settings.seed, settings.length);
    println!("chaos for {:?}, seed {}:", settings.length, settings.seed);
    for (at, event) in &plan {
        println!("  {:>7.1} s  {event}", at.as_secs_f32());
    }
    let mut server = OwnServer::start().await;
    let queue = Queue::on(&server).await;
    let mut fleet = Fleet::new(settings.worker.clone(), &queue).await;
    let mut holds = Holds::new(&queue);
    let dials = dials::make(&queue).await;
    let mut report = Report::new(settings.seed);

    let (stop_producing, producing) = load::stop_signal();
    let (stop_sampling, sampling) = load::stop_signal();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|number| {
            let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(queue.options());
            let database = specql_runtime::Database::from_pool(pool, &PROJECT);
            tokio::spawn(load::produce(
                database,
                settings.seed.wrapping_add(number),
                Arc::clone(&dials),
                producing.clone(),
            ))
        })
        .collect();
    let sampler = tokio::spawn(load::sample(queue.options(), sampling));

    let (start, started_at) = (Instant::now(), Utc::now());
    let mut ahead = plan.into_iter().peekable();
    // When no worker reached PostgreSQL, or had noticed yet that it could again.
    let mut away = Vec::new();
    while start.elapsed() < settings.length {
        fleet.tend(&queue);
        if let Some((_, event)) = ahead.next_if(|(at, _)| start.elapsed() >= *at) {
            report.count(event);
            let (began, from) = (Instant::now(), Utc::now());
            happen(event, &mut server, &mut fleet, &mut holds, &queue).await;
            match event {
                Event::Restart | Event::Crash => {
                    report.outages.push(began.elapsed());
                    away.push(Span::since(from));
                }
                Event::Networks { time, .. } => away.push(Span::from_now(time + NOTICES)),
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    stop_producing.send_replace(true);
    let mut acknowledged = Vec::new();
    for producer in producers {
        let mut produced = producer.await.expect("a producer does not panic");
        acknowledged.append(&mut produced.acknowledged);
        report.refused += produced.refused;
        report.cancelled += produced.cancelled;
    }
    let (rows_held, cancelled) = holds.end().await;
    report.rows_held = rows_held;
    report.jobs_held = cancelled.iter().map(|cancel| cancel.jobs.len()).sum();
    fleet.heal(&queue).await;
    let healed = Instant::now();
    while healed.elapsed() < DRAIN && queue.count(UNFINISHED).await > 0 {
        fleet.tend(&queue);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    report.drained = healed.elapsed();
    let held = async || queue.count(SHARES_OF_THE_DEAD).await;
    while healed.elapsed() < DRAIN && held().await > 0 {
        fleet.tend(&queue);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let held = held().await;
    report.must(held == 0, || format!("{held} shares of limits are held by workers that are dead"));
    fleet.stop(&queue).await;
    stop_sampling.send_replace(true);
    report.sampled(sampler.await.expect("the sampler does not panic"));

    report.acknowledged = acknowledged.len();
    let missing = load::missing(&queue.options(), &acknowledged).await.expect("an answer");
    report.must(missing == 0, || format!("{missing} jobs are gone whose commit was answered"));
    check(&queue, &mut report).await;
    let again = holds::started_again(&queue, &cancelled).await;
    report.must(again == 0, || format!("{again} jobs were started again whose cancel was committed while they ran"));
    // Faults that meet nothing would show nothing.
    report.must(rows_held > 0, || "no row was held that a callback wants".into());
    report.must(!cancelled.is_empty(), || "no job was cancelled while it ran".into());
    report.must(fleet.stalled > 0, || "no connection was stalled".into());
    report.starts = fleet.starts;
    report.stalled = fleet.stalled;
    report.violations.append(&mut fleet.violations);
    report.recovered(recovery::recoveries(&queue, &fleet, started_at, &away, &cancelled).await, settings.recovery);
    report
}

/// Jobs without an end.
const UNFINISHED: &str = "SELECT count(*) FROM jobs.tb_job_run AS j
    WHERE NOT EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = j.pk_job_run)";

/// What is taken from dead workers, together with their jobs.
const SHARES_OF_THE_DEAD: &str = "SELECT count(*) FROM jobs.tb_limit_share AS s WHERE NOT EXISTS (
    SELECT FROM jobs.tb_worker AS w WHERE w.id = s.worker AND w.heartbeat_at > clock_timestamp() - interval '10 seconds')";

async fn happen(event: Event, server: &mut OwnServer, fleet: &mut Fleet, holds: &mut Holds, queue: &Queue) {
    match event {
        Event::Kill { worker, away } => fleet.kill(worker, away),
        Event::Pause { worker, time } => fleet.pause(worker, time),
        Event::Network { worker, fault, time } => fleet.cut_off(worker, fault, time),
        Event::Networks { fault, time } => fleet.cut_all_off(fault, time),
        Event::Stall { worker, connection, time } => fleet.stall(worker, connection, time),
        Event::Rows { time } => holds.rows(time),
        Event::Cancel { time, commit } => holds.cancel(time, commit),
        Event::Backends { one_of } => {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid % $1 = 0";
            // It may hit the very pool that asks; whoever asks again finds the same sessions gone.
            let _ = sqlx::query(sql).bind(one_of).execute(queue.pool()).await;
        }
        Event::Restart => {
            server.stop().await;
            server.start_again().await;
        }
        Event::Crash => {
            server.kill().await;
            server.start_again().await;
        }
    }
}

/// What must hold at the end.
async fn check(queue: &Queue, report: &mut Report) {
    let standing = queue.standing().await;
    let Standing { lost, unfinished, miscounted, uncalled, repeated, tasks, completed } = standing;
    report.must(tasks > 0 && completed > 0, || "nothing was done at all".into());
    report.must(lost == 0, || format!("{lost} tasks have no job, or two"));
    report.must(unfinished == 0, || format!("{unfinished} jobs have no outcome"));
    report.must(miscounted == 0, || format!("{miscounted} jobs whose callback did not have its effect exactly once"));
    report.must(uncalled == 0, || format!("{uncalled} jobs completed that nobody called"));
    report.must(repeated == 0, || format!("{repeated} calls were repeated that may not be"));
    for left in queue.left_over().await {
        report.violations.push(format!("left over: {left}"));
    }
    let unfinished = queue.count(UNFINISHED).await;
    report.must(unfinished == 0, || format!("{unfinished} jobs have no end"));
    let displays = dials::displays(queue).await;
    let Displays { told, wrong, backwards, together, late: _ } = displays;
    report.must(told > 0, || "no display was told anything".into());
    report.must(wrong == 0, || format!("{wrong} displays do not show the last value"));
    report.must(backwards == 0, || format!("{backwards} times a display was told of an older value after a newer one"));
    report.must(together == 0, || format!("{together} times a display was told of two values at once"));
    report.displays = Some(displays);
    let shares = queue.count("SELECT count(*) FROM jobs.tb_limit_share").await;
    report.must(shares == 0, || format!("{shares} shares of limits are held by workers that have stopped"));
    let connections =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'specql %'";
    let connections = queue.count(connections).await;
    report.must(connections == 0, || format!("{connections} connections of workers are left"));
    report.standing = Some(standing);
    report.calls = queue.count("SELECT count(*) FROM far_side.tb_call").await;
    report.rescued = queue.count("SELECT count(*) FROM jobs.v_job_attempt WHERE event = 'lost'").await;
}
