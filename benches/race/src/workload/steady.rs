//! A fixed rate, from a process of its own.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::{
    child::{Order, Step},
    contender::Contender,
    handler::{Handler, Payload},
    measure::{self, CpuClock, Measured},
    workload::drain,
};

/// The producer sends what is due so often: in one transaction, since not every library queues 2,000 single jobs a second.
const BEAT: Duration = Duration::from_millis(10);
/// For the last jobs to arrive.
const GRACE: Duration = Duration::from_secs(2);

/// The worker.
pub(crate) async fn in_child<C: Contender>(contender: &C, order: &Order) -> anyhow::Result<Measured> {
    let handler = Handler::timing();
    let _worker = contender.start(&order.place(), handler.clone()).await?;
    contender.enqueue(Payload::now(0)).await?;
    let warm = tokio::time::timeout(Duration::from_secs(60), handler.wait_for(1)).await;
    warm.context("the first job did not come within a minute")?;
    handler.take_latencies();

    let clock = CpuClock::start()?;
    let produced = Order { step: Step::Produce, ..order.clone() }.spawn().await?;
    let cpu_percent = Some(clock.percent()?);
    let all = tokio::time::timeout(GRACE, handler.wait_for(produced.jobs + 1)).await;
    if all.is_ok() {
        drain::finished(contender).await?;
    }
    Ok(Measured {
        jobs: handler.calls() - 1,
        seconds: produced.seconds,
        // Behind: either the producer or the worker.
        cut: all.is_err() || produced.cut,
        cpu_percent,
        peak_mib: Some(measure::peak_mib()?),
        ..Measured::default()
    }
    .latencies(handler.take_latencies()))
}

/// The producer: `jobs` a second for so many seconds.
pub(crate) async fn produce<C: Contender>(contender: &C, order: &Order) -> anyhow::Result<Measured> {
    let beats = (order.seconds / BEAT.as_secs_f64()).round() as i64;
    let a_beat = i64::try_from(order.jobs)? * i64::try_from(BEAT.as_millis())? / 1_000;
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let started = Instant::now();
    for sent in 0..beats {
        beat.tick().await;
        let first = sent * a_beat;
        contender.enqueue_many((first..first + a_beat).map(Payload::now).collect()).await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let jobs = u64::try_from(beats * a_beat)?;
    Ok(Measured { jobs, seconds, cut: seconds > order.seconds * 1.05, ..Measured::default() })
}
