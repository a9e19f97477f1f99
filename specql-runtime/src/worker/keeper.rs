//! What any worker does for all: rescues, promotes what is due, repeats callbacks, keeps ranges ahead.
//!
//! Each duty is a task with a connection of its own: none waits for another, so a user's lock on the row of a callback delays
//! no rescue and no retry.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{jitter::jittered, shared::Shared};
use crate::queue::{Link, QueueError};

/// Between two rounds of a duty, at most.
const ROUND: Duration = Duration::from_secs(1);
/// Between two rounds, at least.
const SHORTEST: Duration = Duration::from_millis(10);
/// A rescue may come so much later where looking for one is dear: a tenth of the time is spent on it, and jobs are still
/// rescued within 15 s.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// Between two calls of `jobs.maintain`.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
/// Between two looks whether the next ranges of jobs are there: a fast producer fills one in ten seconds.
const RANGES_EVERY: Duration = Duration::from_secs(2);
/// Jobs promoted in one call.
const PROMOTED_AT_ONCE: i32 = 1_000;
/// Jobs moved to lanes of their own in one call, which locks them for some tens of milliseconds.
const MOVED_AT_ONCE: i32 = 5_000;
/// Such calls in one round.
const MOVES: usize = 10;
/// Callbacks run in one call.
const CALLBACKS_AT_ONCE: i32 = 100;

/// Gives slots of limits back that this worker does not need. Over the connection that fallbacks use: it waits for nobody.
pub(crate) async fn trim(shared: Arc<Shared>) {
    loop {
        let trimmed = async { shared.shares.trim(&shared, &mut *shared.control.lock().await).await };
        done(&shared, "jobs.trim_shares", trimmed).await;
        tokio::time::sleep(jittered(ROUND)).await;
    }
}

/// Takes jobs from workers that are gone. They have waited for long, and a connection that has died in silence would let them
/// wait for longer: `link` has a short limit, and what takes longer than that is asked for once more on another connection,
/// with time.
pub(crate) async fn rescue(shared: Arc<Shared>, mut link: Link, mut patient: Link) {
    loop {
        let asked = Instant::now();
        let answer = async {
            let answer = link.rescue().await;
            if !answer.as_ref().is_err_and(QueueError::took_too_long) {
                return answer;
            }
            let answer = patient.rescue().await;
            patient.close().await;
            answer
        };
        let rescued = done(&shared, "jobs.rescue", answer).await;
        if let Some(rescued @ 1..) = rescued {
            tracing::warn!(jobs = rescued, "took back the jobs of a worker that was not heard of for 10 s");
            shared.wake.notify_one();
        }
        // An old snapshot keeps dead leases in the table, and each look reads them all.
        let delay = if rescued.is_some() { (asked.elapsed() * 9).min(LONGEST_DELAY) } else { Duration::ZERO };
        tokio::time::sleep(jittered(ROUND).saturating_sub(asked.elapsed()) + delay).await;
    }
}

/// Makes jobs ready whose time has come.
pub(crate) async fn promote(shared: Arc<Shared>, mut link: Link) {
    loop {
        let due = done(&shared, "jobs.promote", promote_due(&shared, &mut link)).await.flatten();
        let round = jittered(ROUND);
        let pause = due.map_or(round, |due| due.min(round)).max(SHORTEST);
        tokio::time::sleep(pause).await;
        if due.is_some_and(|due| due <= pause) {
            // A rate allows the next start, or a breaker its probe: no row changes with that.
            shared.wake.notify_one();
        }
    }
}

/// Moves waiting jobs to the lanes in which they belong, and sees that there are ranges for the next ones.
pub(crate) async fn arrange(shared: Arc<Shared>, mut link: Link) {
    let mut ranges = Instant::now();
    loop {
        for _ in 0..MOVES {
            match done(&shared, "jobs.move_to_lanes", link.move_to_lanes(MOVED_AT_ONCE)).await {
                Some(moved) if moved >= MOVED_AT_ONCE => {}
                _ => break,
            }
        }
        if Instant::now() >= ranges {
            ranges = Instant::now() + jittered(RANGES_EVERY);
            done(&shared, "jobs.make_ranges", link.make_ranges()).await;
        }
        tokio::time::sleep(jittered(ROUND)).await;
    }
}

/// Promotes what is due. Answers how long it is until the next is.
async fn promote_due(shared: &Shared, link: &mut Link) -> Result<Option<Duration>, QueueError> {
    loop {
        let promoted = link.promote(PROMOTED_AT_ONCE).await?;
        if promoted > 0 {
            shared.wake.notify_one();
        }
        if promoted < PROMOTED_AT_ONCE {
            break;
        }
    }
    Ok(link.next_due_in().await?.map(|due| due.to_std().unwrap_or_default()))
}

/// Runs callbacks that wait for a repetition, or for which a completion had no time.
pub(crate) async fn run_callbacks(shared: Arc<Shared>, mut link: Link) {
    loop {
        // Until none is due: a call may leave some to the next.
        while let Some((callbacks @ 1.., raised)) =
            done(&shared, "jobs.run_callbacks", link.run_callbacks(CALLBACKS_AT_ONCE)).await
        {
            if let Some(sqlstates) = raised {
                tracing::warn!(
                    callbacks,
                    sqlstates,
                    "callbacks failed again; `jobs.v_job_attempt` has what each of them raised"
                );
            }
        }
        tokio::select! {
            () = shared.callback.notified() => {}
            () = tokio::time::sleep(jittered(ROUND)) => {}
        }
    }
}

/// Removes what is old.
pub(crate) async fn maintain(shared: Arc<Shared>, mut link: Link) {
    loop {
        done(&shared, "jobs.maintain", link.maintain()).await;
        link.close().await;
        tokio::time::sleep(jittered(MAINTAIN_EVERY)).await;
    }
}

/// What a duty answered, or nothing where it failed, which is said: the next round repeats it.
async fn done<T>(
    shared: &Shared,
    duty: &'static str,
    answer: impl Future<Output = Result<T, QueueError>>,
) -> Option<T> {
    match shared.outage.or_recovery(duty, answer).await {
        Ok(answer) => {
            shared.outage.worked(duty);
            Some(answer)
        }
        Err(error) => {
            shared.outage.failed(duty, &error);
            None
        }
    }
}
