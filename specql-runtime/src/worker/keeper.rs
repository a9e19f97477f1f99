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
/// Between two calls of `jobs.maintain`.
const MAINTAIN_EVERY: Duration = Duration::from_secs(60);
/// Jobs promoted in one call.
const PROMOTED_AT_ONCE: i32 = 1_000;
/// Callbacks run in one call.
const CALLBACKS_AT_ONCE: i32 = 100;

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, mut link: Link) {
    let mut times = Times { rescue: Instant::now(), maintain: Instant::now() };
    loop {
        let pause = match round(&shared, &mut link, &mut times).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!("upkeep of the queue failed and will be repeated: {}", error.describe());
                ROUND
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// When the rarer duties are next due.
struct Times {
    rescue: Instant,
    maintain: Instant,
}

async fn round(shared: &Shared, link: &mut Link, times: &mut Times) -> Result<Duration, QueueError> {
    let now = Instant::now();
    if now >= times.rescue {
        times.rescue = now + jittered(ROUND);
        let rescued = link.rescue().await?;
        if rescued > 0 {
            tracing::warn!(jobs = rescued, "took back the jobs of a worker that was not heard of for 10 s");
            shared.wake.notify_one();
        }
    }
    if now >= times.maintain {
        times.maintain = now + jittered(MAINTAIN_EVERY);
        link.maintain().await?;
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
    let due = link.next_due_in().await?.and_then(|due| due.to_std().ok()).unwrap_or(ROUND);
    let until_rescue = times.rescue.saturating_duration_since(Instant::now());
    Ok(due.min(until_rescue).max(SHORTEST))
}
