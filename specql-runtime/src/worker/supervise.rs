//! Keeps the worker's own tasks alive.
//!
//! A panic in one of them is a fault of ours. A worker that stopped with it would hold up every job for the sake of one round
//! of one duty, and nobody looks at a worker that has stopped: so it is said loudly, and the task begins again with nothing
//! of what it had.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

/// Before the second start; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Before another start while the worker stops.
const LAST_WAIT: Duration = Duration::from_millis(100);
/// A task that has run so long is begun again as if for the first time.
const STEADY: Duration = Duration::from_secs(60);

/// Runs a task to its end, again and again while it panics.
pub(crate) async fn supervised<F>(name: &'static str, stopping: CancellationToken, mut task: impl FnMut() -> F)
where
    F: Future<Output = ()>,
{
    let mut wait = FIRST_WAIT;
    loop {
        let began = Instant::now();
        // Making the future is part of the task.
        let run = async { task().await };
        let Err(panic) = AssertUnwindSafe(run).catch_unwind().await else { return };
        if began.elapsed() >= STEADY {
            wait = FIRST_WAIT;
        }
        tracing::error!(
            task = name, again_in = ?wait,
            "a task of the worker panicked and is begun again; please report this: {}", words(&*panic)
        );
        if stopping.is_cancelled() {
            tokio::time::sleep(LAST_WAIT).await;
        } else {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stopping.cancelled() => {}
            }
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// What a panic says.
pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_begun_again_later_and_later_until_it_ends() {
        let runs = AtomicUsize::new(0);
        let began = Instant::now();
        let task = || {
            assert_ne!(runs.fetch_add(1, SeqCst), 0, "before its first await");
            let run = runs.load(SeqCst);
            async move {
                tokio::task::yield_now().await;
                assert!(run > 2, "after it");
            }
        };
        supervised("test", CancellationToken::new(), task).await;
        assert_eq!(runs.load(SeqCst), 3);
        assert!(began.elapsed() >= FIRST_WAIT * (1 + 2));
    }

    #[tokio::test]
    async fn a_stopping_worker_waits_for_no_long_pause() {
        let (stopping, runs) = (CancellationToken::new(), AtomicUsize::new(0));
        let began = Instant::now();
        let task = || async {
            assert_eq!(runs.fetch_add(1, SeqCst), 9, "not yet");
        };
        stopping.cancel();
        supervised("test", stopping, task).await;
        assert!(began.elapsed() >= LAST_WAIT * 9);
        assert!(began.elapsed() < LONGEST_WAIT);
    }
}
