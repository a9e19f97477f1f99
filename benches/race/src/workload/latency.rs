//! From the commit to the handler, on a worker that has nothing to do.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::{child::Order, contender::Contender, handler::Handler, handler::Payload, measure::Measured};

pub(crate) async fn in_child<C: Contender>(contender: &C, order: &Order) -> anyhow::Result<Measured> {
    let handler = Handler::counting();
    let _worker = contender.start(&order.place(), handler.clone()).await?;
    let started = Instant::now();
    let mut waits = Vec::new();
    for sample in 0..=order.jobs {
        if started.elapsed().as_secs_f64() > order.seconds {
            break;
        }
        // Long enough to fall idle, and never in step with a poll.
        tokio::time::sleep(Duration::from_millis(20 + sample * 17 % 41)).await;
        contender.enqueue(Payload::now(i64::try_from(sample)?)).await?;
        // A worker may be faster than the answer to the client: then the wait is nothing.
        let committed = Instant::now();
        let arrival = handler.wait_for(sample + 1);
        tokio::time::timeout(Duration::from_secs(60), arrival).await.context("a job did not come within a minute")?;
        // The first one may have waited for the worker to start.
        if sample > 0 {
            waits.push(committed.elapsed());
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let jobs = u64::try_from(waits.len())?;
    Ok(Measured { jobs, seconds, cut: jobs < order.jobs, ..Measured::default() }.latencies(waits))
}
