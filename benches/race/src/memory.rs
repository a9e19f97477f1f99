//! What our own worker costs in memory with many jobs in flight, and in CPU when there are none.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::{
    child::{Order, Step},
    cli::MemoryPlan,
    contender::{Contender, Entrant, Place},
    handler::Handler,
    measure::{self, CpuClock, Measured},
    server::{Scratch, Server},
};

/// What is promised.
const PEAK_MIB: f64 = 30.0;
const IDLE_PERCENT: f64 = 1.0;
/// A job in flight takes so long.
const WORK: Duration = Duration::from_secs(1);

pub(crate) async fn run(plan: &MemoryPlan) -> anyhow::Result<()> {
    let server = Server::open().await?;
    println!("{}", server.facts().await?);
    let scratch = server.scratch(None).await?;
    let measured = run_in(&scratch, plan).await;
    server.drop(scratch).await?;
    let (held, idle) = measured?;
    let peak = held.peak_mib.context("no peak")?;
    let idle = idle.cpu_percent.context("no CPU")?;
    println!("{} in flight, {} queued: peak {peak:.1} MiB (goal: below {PEAK_MIB})", plan.in_flight, plan.queued);
    println!("idle over {} s: {idle:.2} % of a core (goal: below {IDLE_PERCENT})", plan.idle_seconds);
    ensure!(peak < PEAK_MIB && idle < IDLE_PERCENT, "a goal is missed");
    Ok(())
}

async fn run_in(scratch: &Scratch, plan: &MemoryPlan) -> anyhow::Result<(Measured, Measured)> {
    let order = |step, jobs, seconds| Order {
        entrant: Entrant::OURS,
        step,
        url: scratch.url.clone(),
        jobs,
        seconds,
        limit: None,
        program: None,
    };
    order(Step::Install, 0, 0.0).spawn().await?;
    let idle = order(Step::Idle, 0, plan.idle_seconds as f64).spawn().await?;
    order(Step::Fill, plan.queued, 3_600.0).spawn().await?;
    let held = order(Step::Hold, plan.in_flight, 20.0).spawn().await?;
    Ok((held, idle))
}

/// Keeps `jobs` in flight until as many were in flight at once, and for some rounds of them.
pub(crate) async fn hold<C: Contender>(contender: &C, order: &Order) -> anyhow::Result<Measured> {
    let place = Place { concurrency: Some(usize::try_from(order.jobs)?), ..order.place() };
    let handler = Handler::working(WORK);
    let _worker = contender.start(&place, handler.clone()).await?;
    tokio::time::sleep(Duration::from_secs_f64(order.seconds)).await;
    let (most, calls) = (handler.most_at_once(), handler.calls());
    ensure!(most == order.jobs, "only {most} jobs were in flight at once, and {calls} done");
    Ok(Measured { jobs: calls, seconds: order.seconds, peak_mib: Some(measure::peak_mib()?), ..Measured::default() })
}

/// A worker without jobs.
pub(crate) async fn idle<C: Contender>(contender: &C, order: &Order) -> anyhow::Result<Measured> {
    let _worker = contender.start(&order.place(), Handler::counting()).await?;
    // The start itself is not idleness.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let clock = CpuClock::start()?;
    tokio::time::sleep(Duration::from_secs_f64(order.seconds)).await;
    Ok(Measured { seconds: order.seconds, cpu_percent: Some(clock.percent()?), ..Measured::default() })
}
