//! Enqueuing in bulk.

use std::time::Instant;

use crate::{child::Order, contender::Contender, handler::Payload, measure::Measured};

/// Jobs of one call of the bulk path.
const CHUNK: u64 = 5_000;

/// One producer, one call after the other.
pub(crate) async fn in_child<C: Contender>(contender: &C, order: &Order, callbacks: bool) -> anyhow::Result<Measured> {
    let started = Instant::now();
    let mut filled = 0;
    while filled < order.jobs && started.elapsed().as_secs_f64() < order.seconds {
        let end = order.jobs.min(filled + CHUNK);
        let jobs = (i64::try_from(filled)?..i64::try_from(end)?).map(Payload::now).collect();
        if callbacks {
            contender.enqueue_with_callback(jobs).await?;
        } else {
            contender.enqueue_many(jobs).await?;
        }
        filled = end;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Measured { jobs: filled, seconds, cut: filled < order.jobs, ..Measured::default() })
}
