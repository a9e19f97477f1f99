//! How long it took until the jobs of a killed worker went on, and what it happened beside.

use std::time::Duration;

use sqlx::types::{
    Uuid,
    chrono::{DateTime, Utc},
};

use super::{fleet::Fleet, holds::Cancelled};
use crate::work::Queue;

/// How long a dead worker's jobs are its own.
const LEASE: Duration = Duration::from_secs(10);

/// From when to when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
}

impl Span {
    pub(super) fn from_now(time: Duration) -> Self {
        let from = Utc::now();
        Self { from, to: from + time }
    }

    /// Since then until now.
    pub(super) fn since(from: DateTime<Utc>) -> Self {
        Self { from, to: Utc::now() }
    }

    /// How much of it is covered by these, which may overlap.
    fn covered(self, mut by: Vec<Self>) -> Duration {
        by.sort_unstable_by_key(|span| span.from);
        let (mut covered, mut until) = (Duration::ZERO, self.from);
        for span in by {
            let (from, to) = (span.from.max(until), span.to.min(self.to));
            covered += (to - from).to_std().unwrap_or_default();
            until = until.max(to);
        }
        covered
    }
}

/// One job of a killed worker.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// When its worker was killed, since the start of the run.
    pub killed: Duration,
    /// From the kill until another worker had the job, or its end was recorded.
    pub took: Duration,
    /// The same, without the time after the lease's end in which nobody could have it: no worker reached PostgreSQL, or an open
    /// transaction had the job locked.
    pub counted: Duration,
    /// Whether a network was broken meanwhile.
    pub beside_broken_networks: bool,
}

/// The recoveries of all jobs that killed processes had.
pub(super) async fn recoveries(
    queue: &Queue,
    fleet: &Fleet,
    start: DateTime<Utc>,
    away: &[Span],
    cancelled: &[Cancelled],
) -> Vec<Recovery> {
    let processes: Vec<i32> = fleet.killed.iter().map(|killed| killed.process).collect();
    let times: Vec<_> = fleet.killed.iter().map(|killed| killed.at).collect();
    let sql = "
        SELECT a.id, k.at, coalesce(
            (SELECT min(c.at) FROM jobs.v_job_attempt AS c
             WHERE c.pk_job_run = a.pk_job_run AND c.event = 'claimed' AND c.epoch > a.epoch), a.at)
        FROM unnest($1, $2) AS k (process, at)
        JOIN far_side.tb_process AS p ON p.process = k.process
        JOIN jobs.v_job_attempt AS a ON a.worker = p.worker AND a.event = 'lost' AND a.at > k.at";
    let rows: Vec<(Uuid, DateTime<Utc>, DateTime<Utc>)> =
        sqlx::query_as(sql).bind(processes).bind(times).fetch_all(queue.pool()).await.expect("an answer");
    let recovery = |(job, from, to): (Uuid, DateTime<Utc>, DateTime<Utc>)| {
        let locked = cancelled.iter().filter(|cancel| cancel.jobs.contains(&job)).map(|cancel| cancel.span);
        let nobody = Span { from: (from + LEASE).min(to), to }.covered(away.iter().copied().chain(locked).collect());
        let took = (to - from).to_std().unwrap_or_default();
        let beside_broken_networks = fleet.broken.iter().any(|broken| broken.from < to && broken.to > from);
        let killed = (from - start).to_std().unwrap_or_default();
        Recovery { killed, took, counted: took.saturating_sub(nobody), beside_broken_networks }
    };
    rows.into_iter().map(recovery).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_is_covered_twice_counts_once() {
        let start = Utc::now();
        let span =
            |from: u64, to: u64| Span { from: start + Duration::from_secs(from), to: start + Duration::from_secs(to) };
        let by = vec![span(0, 3), span(8, 9), span(2, 5), span(4, 5), span(18, 30), span(40, 50)];
        assert_eq!(span(1, 20).covered(by), Duration::from_secs(4 + 1 + 2));
    }
}
