//! Calls the actions of schedules when they are due.
//!
//! Every worker looks; the row of a schedule decides who runs a time, and that it is run once (`jobs.run_schedule`). So no
//! lock outlives a call, and when a worker dies in the middle of one, its transaction does too and another takes the time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use specql_registry::timing::{CatchUp, Timing};
use uuid::Uuid;

use super::{
    hands::{Hand, Round},
    jitter::jittered,
    scheduled_tenants,
    shared::Shared,
};
use crate::queue::{
    Link, QueueError,
    periodic::{Ran, Scheduled},
};

/// Between two looks, at most: a migration may have changed a schedule.
const LONGEST: Duration = Duration::from_secs(5);
/// Between two looks, at least.
const SHORTEST: Duration = Duration::from_millis(10);
/// Before a look after one that failed: doubled with each, up to the longest. A database that refuses an action is not asked
/// often; one that does not answer is, for schedules are to be run as soon as it does.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
const LONGEST_AFTER_REFUSAL: Duration = Duration::from_secs(60);
const LONGEST_AFTER_OUTAGE: Duration = Duration::from_secs(2);
/// The name under which its troubles are said.
const TASK: &str = "schedule";
/// A time that is later than this was missed: no worker was there.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// Missed times that are looked at.
const MOST: usize = 1_000;

/// The status of a call behind which batches are left.
pub(super) const MORE: &str = "more";

/// Between two tries of a hand of which a call still runs, although nobody waits for it.
const BUSY: Duration = Duration::from_secs(1);

/// Runs until the worker stops. A call that is under way then is not broken off.
pub(crate) async fn run(shared: Arc<Shared>, mut link: Link, mut hand: Hand) {
    let mut failures = 0;
    while hand.take_turn(&mut link, &shared.stopping).await && !shared.stopping.is_cancelled() {
        let looked = shared.outage.or_recovery("jobs.schedules", round(&shared, &mut link, &mut hand)).await;
        let pause = match looked {
            Ok(pause) => {
                shared.outage.worked(TASK);
                failures = 0;
                pause
            }
            Err(error) => {
                shared.outage.failed(TASK, &error);
                failures += 1;
                jittered(after_failure(&error, failures))
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.outage.recovery() => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

/// The wait after so many failures in a row.
fn after_failure(error: &QueueError, failures: u32) -> Duration {
    let refused = matches!(error, QueueError::Call { .. }) && !error.outcome_unknown();
    let longest = if refused { LONGEST_AFTER_REFUSAL } else { LONGEST_AFTER_OUTAGE };
    AFTER_FAILURE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest)
}

/// The rules that were read before, by cron and time zone. One that cannot be read is `None`, and was reported.
pub(super) type Rules = HashMap<(String, String), Option<Arc<Timing>>>;

/// The schedule's rule, where this version can read it.
fn timing(known: &mut Rules, schedule: &Scheduled) -> Option<Arc<Timing>> {
    let rule = (schedule.cron.clone(), schedule.timezone.clone());
    let read = || match Timing::new(&schedule.cron, &schedule.timezone) {
        Ok(timing) => Some(Arc::new(timing)),
        Err(error) => {
            tracing::error!(schedule = schedule.key, "this worker cannot read the schedule, and leaves it: {error}");
            None
        }
    };
    known.entry(rule).or_insert_with(read).clone()
}

/// A look at all schedules, by the hand whose turn it is. Answers the pause before its next one.
async fn round(shared: &Shared, link: &mut Link, hand: &mut Hand) -> Result<Duration, QueueError> {
    let mut pause = jittered(LONGEST);
    let mut failed = None;
    for schedule in link.schedules().await? {
        let Some(timing) = timing(&mut hand.looks().rules, &schedule) else { continue };
        if shared.stopping.is_cancelled() {
            break;
        }
        failed = run_due(shared, link, hand, &timing, &schedule).await?.or(failed);
        if !hand.has_turn() {
            return failed.map_or(Ok(Duration::ZERO), Err);
        }
        if let Some(next) = timing.next_after(schedule.clock).and_then(|next| (next - schedule.clock).to_std().ok()) {
            pause = pause.min(next);
        }
    }
    match scheduled_tenants::run(shared, link, hand).await {
        Ok(Round::Looked { more: false }) => {}
        Ok(Round::Looked { more: true }) => pause = Duration::ZERO,
        Ok(Round::HandedOn) => return failed.map_or(Ok(Duration::ZERO), Err),
        Ok(Round::Busy) => {
            // The others are not.
            hand.hand_on();
            return failed.map_or(Ok(BUSY), Err);
        }
        Err(error) if says_no(&error) => failed = Some(error),
        Err(error) => return Err(error),
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(pause.max(SHORTEST)),
    }
}

/// Whether it is an answer, and about this call alone.
fn says_no(error: &QueueError) -> bool {
    matches!(error, QueueError::Call { .. }) && !error.outcome_unknown()
}

/// Runs what is due of one schedule. Answers the error of an action whose transaction was undone: one schedule must not keep the others
/// from being run.
async fn run_due(
    shared: &Shared,
    link: &mut Link,
    hand: &mut Hand,
    timing: &Timing,
    schedule: &Scheduled,
) -> Result<Option<QueueError>, QueueError> {
    let mut schedule = schedule.clone();
    // A word that this version does not know is treated as the default.
    let catch_up = CatchUp::from_name(&schedule.catch_up).unwrap_or_default();
    for Turn { due, skipped, call } in turns(timing, catch_up, schedule.counted_to, schedule.clock) {
        if shared.stopping.is_cancelled() {
            return Ok(None);
        }
        let ran = match hand.call(link.run_schedule(&schedule, due, skipped, call)).await {
            Ok(ran) => ran,
            Err(error) => return fault(&schedule.key, None, due, error),
        };
        match ran.status.as_str() {
            "taken" => return Ok(None),
            "skipped" => {
                tracing::warn!(schedule = schedule.key, times = skipped, "missed and not caught up with");
            }
            _ => say(shared, &schedule.key, None, due, skipped, &ran),
        }
        if !hand.has_turn() {
            return Ok(None);
        }
        schedule.counted_to = due;
    }
    Ok(None)
}

/// Tells why a run was undone, or is waited for no longer. An error that is not about this run alone is given back as one.
pub(super) fn fault(
    schedule: &str,
    tenant: Option<Uuid>,
    due: DateTime<Utc>,
    error: QueueError,
) -> Result<Option<QueueError>, QueueError> {
    let tenant = tenant.map(tracing::field::display);
    match &error {
        QueueError::Timeout { limit, .. } => {
            tracing::warn!(
                schedule, tenant, %due,
                "has not answered within {limit:?}; it is not waited for, goes on at the server, and is recorded when it ends"
            );
            Ok(None)
        }
        error_of_it if says_no(error_of_it) => {
            tracing::warn!(schedule, tenant, %due, "was undone, and will be run again: {}", error.describe());
            Ok(Some(error))
        }
        _ => Err(error),
    }
}

/// Tells what became of a run.
pub(super) fn say(
    shared: &Shared,
    schedule: &str,
    tenant: Option<Uuid>,
    due: DateTime<Utc>,
    skipped: usize,
    ran: &Ran,
) {
    let tenant = tenant.map(tracing::field::display);
    match (ran.status.as_str(), &ran.unexpected) {
        ("taken" | "skipped", _) => {}
        (MORE, _) => {
            tracing::debug!(schedule, tenant, %due, "has done a batch");
            shared.wake.notify_one();
        }
        ("spread", _) => tracing::debug!(schedule, %due, skipped, "is run for each tenant"),
        ("success", _) => {
            tracing::info!(schedule, tenant, %due, skipped, "ran");
            // It may have queued calls.
            shared.wake.notify_one();
        }
        (_, Some(cause)) if cause.sqlstate.as_deref() == Some("55P03") => tracing::error!(
            schedule, tenant, %due, skipped, sqlstate = cause.sqlstate, place = cause.place,
            audit_row = cause.audit_row,
            "failed: another transaction kept a lock that it wanted for too long; nothing was changed"
        ),
        (status, None) => tracing::warn!(schedule, tenant, %due, skipped, status, "ran and did not succeed"),
        (_, Some(cause)) => tracing::error!(
            schedule, tenant, %due, skipped, sqlstate = cause.sqlstate, place = cause.place,
            audit_row = cause.audit_row,
            "its action ended with an error that nobody foresaw; its row in `app.tb_mutation_audit_log` has the message"
        ),
    }
}

/// What is done about some times of a schedule.
#[derive(Debug, PartialEq)]
struct Turn {
    /// The last of them, for which the action is called.
    due: DateTime<Utc>,
    /// How many are not caught up with, `due` included where it is not called.
    skipped: usize,
    call: bool,
}

/// What is to be done about the times after `from` up to `now`, in order.
fn turns(timing: &Timing, catch_up: CatchUp, from: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Turn> {
    // One more, to know whether there are more.
    let mut missed: Vec<_> = timing.backwards(from, now).take(MOST + 1).collect();
    let Some(&latest) = missed.first() else { return Vec::new() };
    let others = missed.len() - 1;
    match catch_up {
        CatchUp::None if now - latest > LATE => vec![Turn { due: latest, skipped: others + 1, call: false }],
        CatchUp::None | CatchUp::One => vec![Turn { due: latest, skipped: others, call: true }],
        CatchUp::All => {
            missed.reverse();
            let too_many = missed.len() > MOST;
            let turn = |(index, due)| Turn { due, skipped: 0, call: index > 0 || !too_many };
            let mut turns: Vec<Turn> = missed.into_iter().enumerate().map(turn).collect();
            if too_many {
                turns[0].skipped = 1;
            }
            turns
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn turn(due: &str, skipped: usize, call: bool) -> Turn {
        Turn { due: at(due), skipped, call }
    }

    #[test]
    fn what_was_missed_is_skipped_run_once_or_run_in_order() {
        let hourly = Timing::new("0 * * * *", "UTC").unwrap();
        let (from, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T03:30:00Z"));
        let turns = |catch_up| turns(&hourly, catch_up, from, now);
        assert_eq!(turns(CatchUp::None), [turn("2026-01-01T03:00:00Z", 3, false)]);
        assert_eq!(turns(CatchUp::One), [turn("2026-01-01T03:00:00Z", 2, true)]);
        assert_eq!(
            turns(CatchUp::All),
            [
                turn("2026-01-01T01:00:00Z", 0, true),
                turn("2026-01-01T02:00:00Z", 0, true),
                turn("2026-01-01T03:00:00Z", 0, true)
            ]
        );
    }

    #[test]
    fn a_time_that_a_worker_came_to_is_no_missed_one() {
        let hourly = Timing::new("0 * * * *", "UTC").unwrap();
        let from = at("2026-01-01T00:00:00Z");
        for now in ["2026-01-01T01:00:00Z", "2026-01-01T01:04:59.9Z"] {
            for catch_up in CatchUp::ALL {
                assert_eq!(turns(&hourly, catch_up, from, at(now)), [turn("2026-01-01T01:00:00Z", 0, true)]);
            }
        }
        assert_eq!(turns(&hourly, CatchUp::All, from, at("2026-01-01T00:59:59.9Z")), []);
    }

    #[test]
    fn no_more_than_a_thousand_are_caught_up_with() {
        let minutes = Timing::new("* * * * *", "UTC").unwrap();
        let (from, now) = (at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        let all = turns(&minutes, CatchUp::All, from, now);
        assert_eq!(all.iter().filter(|turn| turn.call).count(), MOST);
        assert_eq!(all[0], turn("2025-12-31T07:20:00Z", 1, false));
        assert_eq!(all[MOST], turn("2026-01-01T00:00:00Z", 0, true));
    }

    #[test]
    fn an_outage_is_never_waited_out_for_long() {
        let refused = QueueError::Call { call: "jobs.run_schedule", source: sqlx::Error::Encode("NaN".into()) };
        let away = QueueError::Connect { call: "jobs.schedules", source: sqlx::Error::PoolClosed };
        let silent = QueueError::Timeout { call: "jobs.schedules", limit: LONGEST };
        let waits = |error: &QueueError| [1, 2, 3, 100].map(|failures| after_failure(error, failures).as_secs());
        assert_eq!(waits(&refused), [1, 2, 4, 60]);
        assert_eq!(waits(&away), [1, 2, 2, 2]);
        assert_eq!(waits(&silent), [1, 2, 2, 2]);
    }
}
