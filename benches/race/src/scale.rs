//! Our own worker's cost as the queue grows, and beside a snapshot that holds back the cleaning of dead rows.

use std::time::{Duration, Instant};

use crate::{
    child::{Order, Step},
    cli::ScalePlan,
    contender::Entrant,
    server::{Scratch, Server},
    workload::STEADY_RATE,
};

/// "Flat" is within so much of the first.
const FLAT: f64 = 0.15;
const FULL_DEPTH: u64 = 5_000_000;
/// Without end, for a plan of this size.
const DAY: f64 = 86_400.0;

pub(crate) async fn run(plan: &ScalePlan) -> anyhow::Result<()> {
    let server = Server::open().await?;
    println!("{}", server.facts().await?);
    let mut first = None;
    for depth in plan.depths.iter().copied().chain(plan.full.then_some(FULL_DEPTH)) {
        let scratch = server.scratch(None).await?;
        let rate = at_depth(&scratch, depth, plan).await;
        server.drop(scratch).await?;
        say(&format!("{depth} queued"), rate?, &mut first);
    }
    if plan.minutes == 0 {
        return Ok(());
    }
    let scratch = server.scratch(None).await?;
    let rates = beside_snapshot(&scratch, plan).await;
    server.drop(scratch).await?;
    let (before, after) = rates?;
    let mut first = None;
    say("without a snapshot", before, &mut first);
    say(&format!("after {} minutes at {STEADY_RATE} jobs/s beside a snapshot", plan.minutes), after, &mut first);
    Ok(())
}

fn say(what: &str, rate: f64, first: &mut Option<f64>) {
    let ratio = rate / *first.get_or_insert(rate);
    let word = if ratio < 1.0 - FLAT { "NOT flat" } else { "flat" };
    println!("{what}: {rate:.0} jobs/s, {ratio:.2}× the first: {word} within {:.0} %", FLAT * 100.0);
}

fn order(scratch: &Scratch, step: Step, jobs: u64, seconds: f64) -> Order {
    Order { entrant: Entrant::OURS, step, url: scratch.url.clone(), jobs, seconds, limit: None, program: None }
}

/// Ranges of jobs from days before, each of a size of its own in the database; the next job is of the one behind them.
async fn add_ranges(scratch: &Scratch, ranges: u32) -> anyhow::Result<()> {
    // Few at a time: each takes locks that are held until the end.
    for number in 1..=ranges {
        sqlx::query("SELECT jobs.add_range($1)").bind(i64::from(number)).execute(&scratch.pool).await?;
    }
    if ranges > 0 {
        let next = "SELECT setval('jobs.tb_job_run_pk_job_run_seq', ($1 + 1) * jobs.range_size())";
        sqlx::query(next).bind(i64::from(ranges)).execute(&scratch.pool).await?;
    }
    Ok(())
}

/// The rate over the first `drained` jobs of `depth`; a smaller queue is filled and drained so often.
async fn at_depth(scratch: &Scratch, depth: u64, plan: &ScalePlan) -> anyhow::Result<f64> {
    let drained = plan.drained;
    order(scratch, Step::Install, 0, 0.0).spawn().await?;
    add_ranges(scratch, plan.ranges).await?;
    let (mut jobs, mut seconds) = (0, 0.0);
    while jobs < drained {
        order(scratch, Step::Fill, depth, DAY).spawn().await?;
        scratch.settle().await?;
        let part = order(scratch, Step::DrainSome, depth.min(drained), DAY).spawn().await?;
        jobs += part.jobs;
        seconds += part.seconds;
    }
    Ok(jobs as f64 / seconds)
}

/// The drain rate before and after.
async fn beside_snapshot(scratch: &Scratch, plan: &ScalePlan) -> anyhow::Result<(f64, f64)> {
    order(scratch, Step::Install, 0, 0.0).spawn().await?;
    add_ranges(scratch, plan.ranges).await?;
    let drain = async || {
        order(scratch, Step::Fill, plan.drained, DAY).spawn().await?;
        let drained = order(scratch, Step::DrainSome, plan.drained, DAY).spawn().await?;
        anyhow::Ok(drained.rate())
    };
    let before = drain().await?;
    let mut holder = scratch.pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *holder).await?;
    sqlx::query("SELECT count(*) FROM jobs.tb_job_ready").execute(&mut *holder).await?;
    let started = Instant::now();
    let steady = order(scratch, Step::Steady, STEADY_RATE, Duration::from_secs(plan.minutes * 60).as_secs_f64());
    let measured = steady.spawn().await?;
    println!(
        "{:.0?} beside a snapshot: {} jobs, p50 {:.1} ms, p99 {:.1} ms, CPU {:.0} %{}",
        started.elapsed(),
        measured.jobs,
        measured.p50_ms.unwrap_or(f64::NAN),
        measured.p99_ms.unwrap_or(f64::NAN),
        measured.cpu_percent.unwrap_or(f64::NAN),
        if measured.cut { ", fell behind" } else { "" }
    );
    let after = drain().await?;
    holder.rollback().await?;
    Ok((before, after))
}
