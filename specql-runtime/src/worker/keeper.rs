//! What any worker does for all: rescues, promotes what is due, repeats callbacks, keeps partitions ahead.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{jitter::jittered, shared::Shared};
use crate::queue::{Link, QueueError};

/// Between two rounds, at most.
const ROUND: Duration = Duration::from_secs(1);
/// Between two rounds, at least.
const SHORTEST: Duration = Duration::from_millis(10);
/// A rescue may come so much later where looking for one is dear: a tenth of the time is spent on it, and jobs are still
/// rescued within 15 s.
const LONGEST_DELAY: Duration = Duration::from_secs(3);
/// Between two calls of `jobs.maintain`.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
/// Between two looks whether the next ranges of jobs are there: a fast producer fills one in ten seconds.
const RANGES_EVERY: Duration = Duration::from_secs(2);
/// Jobs promoted in one call.
const PROMOTED_AT_ONCE: i32 = 1_000;
/// Jobs moved to lanes of their own in one call, which locks them for some tens of milliseconds.
const MOVED_AT_ONCE: i32 = 5_000;
/// Such calls in one round: other duties wait meanwhile.
const MOVES: usize = 10;
/// Callbacks run in one call.
const CALLBACKS_AT_ONCE: i32 = 100;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, mut link: Link) {
    let mut times = Times { rescue: Instant::now(), maintain: Instant::now(), ranges: Instant::now() };
    let mut wakes;
    loop {
        let pause = match shared.outage.or_recovery("upkeep", round(&shared, &mut link, &mut times)).await {
            Ok((pause, due)) => {
                shared.outage.worked("upkeep");
                wakes = due;
                pause
            }
            Err(error) => {
                shared.outage.failed("upkeep", &error);
                wakes = false;
                ROUND
            }
        };
        tokio::time::sleep(pause).await;
        if wakes {
            // A rate allows the next start, or a breaker its probe: no row changes with that.
            shared.wake.notify_one();
        }
    }
}

/// When the rarer duties are next due.
struct Times {
    rescue: Instant,
    maintain: Instant,
    ranges: Instant,
}

/// Does what is due. Answers when to look again, and whether something is due then.
async fn round(shared: &Shared, link: &mut Link, times: &mut Times) -> Result<(Duration, bool), QueueError> {
    let now = Instant::now();
    if now >= times.rescue {
        shared.slots.trim(shared, link).await?;
        let asked = Instant::now();
        times.rescue = asked + jittered(ROUND);
        let rescued = link.rescue().await?;
        // An old snapshot keeps dead leases in the table, and each look reads them all.
        times.rescue += (asked.elapsed() * 9).min(LONGEST_DELAY);
        if rescued > 0 {
            tracing::warn!(jobs = rescued, "took back the jobs of a worker that was not heard of for 10 s");
            shared.wake.notify_one();
        }
        for _ in 0..MOVES {
            if link.move_to_lanes(MOVED_AT_ONCE).await? < MOVED_AT_ONCE {
                break;
            }
        }
    }
    if now >= times.maintain {
        times.maintain = now + jittered(MAINTAIN_EVERY);
        link.maintain().await?;
    }
    if now >= times.ranges {
        times.ranges = now + jittered(RANGES_EVERY);
        link.make_ranges().await?;
    }
    while link.run_callbacks(CALLBACKS_AT_ONCE).await? == CALLBACKS_AT_ONCE {}
    loop {
        let promoted = link.promote(PROMOTED_AT_ONCE).await?;
        if promoted > 0 {
            shared.wake.notify_one();
        }
        if promoted < PROMOTED_AT_ONCE {
            break;
        }
    }
    let due = link.next_due_in().await?.map(|due| due.to_std().unwrap_or_default());
    let until_rescue = times.rescue.saturating_duration_since(Instant::now());
    let pause = due.map_or(until_rescue, |due| due.min(until_rescue));
    Ok((pause.max(SHORTEST), due.is_some_and(|due| due <= pause)))
}
