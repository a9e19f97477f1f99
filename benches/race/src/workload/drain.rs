//! Draining a full queue.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::Sample;
use crate::{
    child::Order,
    contender::Contender,
    handler::Handler,
    measure::{self, Measured},
    server::Scratch,
};

/// Fills, and drains what was filled; the WAL is that of a job's whole life.
pub(crate) async fn in_parent(scratch: &Scratch, fill: Order, mut drain: Order) -> anyhow::Result<Sample> {
    let empty = scratch.wal_position().await?;
    let filled = fill.spawn().await?;
    let full = scratch.wal_position().await?;
    scratch.settle().await?;
    let settled = scratch.wal_position().await?;
    drain.jobs = filled.jobs;
    let mut drained = drain.spawn().await?;
    let drained_wal = (scratch.wal_position().await? - settled) / drained.jobs as f64;
    drained.wal = Some((full - empty) / filled.jobs as f64 + drained_wal);
    Ok(Sample { measured: drained, fill: Some(filled) })
}

/// From the first call of a handler to the last result on disk: how fast a worker starts is another matter.
pub(crate) async fn in_child<C: Contender>(contender: &C, order: &Order, callbacks: bool) -> anyhow::Result<Measured> {
    let place = order.place();
    let handler = if callbacks { C::callback_handler(&place).await? } else { Handler::counting() };
    let _worker = contender.start(&place, handler.clone()).await?;
    let all = async {
        handler.wait_for(order.jobs).await;
        finished(contender).await
    };
    let ended = tokio::time::timeout(Duration::from_secs_f64(order.seconds), all).await;
    let (jobs, cut) = (handler.calls(), ended.is_err());
    let end = ended.unwrap_or_else(|_| Ok(Instant::now()))?;
    let first = handler.first().context("no job was called in all the time")?;
    ensure!(jobs <= order.jobs, "{jobs} calls of {} jobs", order.jobs);
    let seconds = end.duration_since(first).as_secs_f64();
    Ok(Measured { jobs, seconds, cut, peak_mib: Some(measure::peak_mib()?), ..Measured::default() })
}

/// From the first call of a handler to the `jobs`th, however many are queued.
pub(crate) async fn some_in_child<C: Contender>(contender: &C, order: &Order) -> anyhow::Result<Measured> {
    let handler = Handler::counting();
    let _worker = contender.start(&order.place(), handler.clone()).await?;
    handler.wait_for(order.jobs).await;
    let seconds = handler.first().context("no job was called")?.elapsed().as_secs_f64();
    // Where these were all, none is left to be rescued; where they were not, the database goes with the rest.
    if let Ok(rest) = tokio::time::timeout(Duration::from_secs(2), finished(contender)).await {
        rest?;
    }
    Ok(Measured { jobs: order.jobs, seconds, ..Measured::default() })
}

/// When every job had ended, as a look then saw it: how long looking takes is not the worker's time.
pub(crate) async fn finished<C: Contender>(contender: &C) -> anyhow::Result<Instant> {
    loop {
        let looked = Instant::now();
        if !contender.unfinished().await? {
            return Ok(looked);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The rows that callbacks write.
pub(crate) async fn make_rows(scratch: &Scratch, rows: u64) -> anyhow::Result<()> {
    let table = "CREATE TABLE public.originating (pk bigint PRIMARY KEY, done boolean NOT NULL DEFAULT false)";
    sqlx::raw_sql(table).execute(&scratch.pool).await?;
    sqlx::query("INSERT INTO public.originating (pk) SELECT generate_series(0, $1 - 1)")
        .bind(i64::try_from(rows)?)
        .execute(&scratch.pool)
        .await?;
    Ok(())
}

/// Whether they did. Where the time ran out, jobs count whose row is written.
pub(crate) async fn count_rows(scratch: &Scratch, drained: &mut Measured) -> anyhow::Result<()> {
    let written: i64 =
        sqlx::query_scalar("SELECT count(*) FROM public.originating WHERE done").fetch_one(&scratch.pool).await?;
    let written = u64::try_from(written)?;
    ensure!(drained.cut || written == drained.jobs, "{written} rows written by {} jobs", drained.jobs);
    drained.jobs = written;
    Ok(())
}
