//! Writes how jobs ended: everything that is done now in one call, two calls in flight.
//!
//! There is no timer. While one batch is being flushed the next one grows, so batches are as large as the load makes
//! them, and a single job waits for nobody.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::Value;
use specql_registry::FailureClass;
use tokio::sync::{Mutex, mpsc};

use super::{lease::Lease, retry::Verdict, shared::Shared};
use crate::{
    queue::{
        Link, QueueError,
        finish::{Completions, Failures, Written},
    },
    runner::Failure,
};

/// The largest batch.
const LARGEST_BATCH: usize = 1_000;
/// The waits between repetitions of a batch that the database did not take.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A job whose run is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) lease: Arc<Lease>,
    pub(crate) ending: Ending,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Completed {
        output: Value,
        usage: Value,
    },
    Failed {
        failure: Failure,
        verdict: Verdict,
    },
    /// Given back; nothing happened that counts.
    Released,
}

impl Ending {
    /// Whether the worker asked for another attempt.
    const fn wants_another_try(&self) -> bool {
        matches!(self, Self::Failed { verdict: Verdict { retry_in: Some(_), .. }, .. })
    }
}

/// Where both writers take their batches from.
pub(crate) type Inbox = Arc<Mutex<mpsc::Receiver<Finished>>>;

/// A writer: runs until the inbox is closed and empty.
pub(crate) async fn run(shared: Arc<Shared>, inbox: Inbox, mut link: Link) {
    let mut batch = Vec::new();
    loop {
        // One writer waits for results while the other writes.
        let taken = inbox.lock().await.recv_many(&mut batch, LARGEST_BATCH).await;
        if taken == 0 {
            return;
        }
        let (mut completed, mut failed, mut released) = (Vec::new(), Vec::new(), Vec::new());
        for finished in batch.drain(..) {
            match finished.ending {
                Ending::Completed { .. } => completed.push(finished),
                Ending::Failed { .. } => failed.push(finished),
                Ending::Released => released.push(finished),
            }
        }
        for kind in [completed, failed, released] {
            if !kind.is_empty() {
                write(&shared, &mut link, kind).await;
            }
        }
    }
}

/// Writes endings of one kind, until each is written or no longer ours to write.
async fn write(shared: &Shared, link: &mut Link, endings: Vec<Finished>) {
    let mut parts = vec![endings];
    let mut wait = FIRST_WAIT;
    while let Some(mut part) = parts.pop() {
        match send(shared, link, &part).await {
            Ok(written) => {
                wait = FIRST_WAIT;
                settle(shared, &part, &written);
            }
            Err(error) if error.blames_the_data() && part.len() > 1 => {
                // One of them is to blame: halve until it is alone, so that the others are not held up.
                tracing::debug!(jobs = part.len(), "halving a batch: {}", error.describe());
                let rest = part.split_off(part.len() / 2);
                parts.extend([rest, part]);
            }
            Err(error) if error.blames_the_data() => {
                if let Some(substitute) = part.pop().and_then(|finished| substitute(shared, finished, &error)) {
                    parts.push(vec![substitute]);
                }
            }
            Err(error) => {
                tracing::warn!(
                    jobs = part.len(), retry_in = ?wait,
                    "the end of jobs could not be written and will be tried again: {}", error.describe()
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                if error.outcome_unknown() {
                    part = still_ours(shared, link, part).await;
                }
                if !part.is_empty() {
                    parts.push(part);
                }
            }
        }
    }
}

/// One call for endings of one kind.
async fn send(shared: &Shared, link: &mut Link, endings: &[Finished]) -> Result<Vec<Written>, QueueError> {
    let (mut completions, mut failures) = (Completions::default(), Failures::default());
    let (mut pks, mut epochs) = (Vec::new(), Vec::new());
    for Finished { lease, ending } in endings {
        match ending {
            Ending::Completed { output, usage } => {
                completions.pks.push(lease.pk);
                completions.epochs.push(lease.epoch);
                completions.outputs.push(output.clone());
                completions.usages.push(usage.clone());
            }
            Ending::Failed { failure, verdict } => {
                failures.pks.push(lease.pk);
                failures.epochs.push(lease.epoch);
                failures.classes.push(failure.class.name());
                failures.messages.push(failure.message.clone());
                let millis = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                failures.retry_in_ms.push(verdict.retry_in.map(millis));
                failures.counted.push(verdict.counted);
                failures.usages.push(failure.usage.clone());
                failures.no_effect.push(failure.no_effect);
            }
            Ending::Released => {
                pks.push(lease.pk);
                epochs.push(lease.epoch);
            }
        }
    }
    if !completions.pks.is_empty() {
        return link.complete(shared.worker, &completions).await;
    }
    if !failures.pks.is_empty() {
        return link.fail(shared.worker, &failures).await;
    }
    link.release(shared.worker, &pks, &epochs).await?;
    Ok(pks.into_iter().map(|pk| Written { pk, result: "released".into() }).collect())
}

/// Forgets what is written, and says what did not go as planned.
fn settle(shared: &Shared, part: &[Finished], written: &[Written]) {
    shared.leases.remove(part.iter().map(|finished| (finished.lease.pk, finished.lease.epoch)));
    if part.iter().any(|finished| finished.lease.limit().is_some()) {
        // The limit kept others waiting, perhaps.
        shared.wake.notify_one();
    }
    tracing::debug!(jobs = part.len(), "written");
    for one in written {
        let outcome = match one.result.as_str() {
            "fenced" => "the job's lease had passed to another worker; this worker's result was not recorded",
            "callback_waiting" => "the job's callback did not succeed and will be repeated; the call will not",
            "failed" => {
                "the job failed for good, though this worker would have tried it again: its time or its attempts are over"
            }
            // Looked up for the rare ones alone: a batch is large.
            _ => continue,
        };
        if let Some(finished) = part.iter().find(|finished| finished.lease.pk == one.pk)
            && (one.result != "failed" || finished.ending.wants_another_try())
        {
            tracing::warn!(job.id = %finished.lease.id, "{outcome}");
        }
    }
}

/// What to write instead of an ending that the database cannot take.
fn substitute(shared: &Shared, finished: Finished, error: &QueueError) -> Option<Finished> {
    let Finished { lease, ending } = finished;
    let reason = error.describe();
    match ending {
        Ending::Completed { usage: _, output: _ } => {
            tracing::error!(job.id = %lease.id, "the job's output cannot be stored; recording that it is lost: {reason}");
            let message =
                super::text::message(&format!("the call succeeded, but its output cannot be stored: {reason}"));
            let failure = Failure::new(FailureClass::EffectResultLost, message);
            let verdict = Verdict { retry_in: None, counted: true };
            Some(Finished { lease, ending: Ending::Failed { failure, verdict } })
        }
        Ending::Failed { .. } | Ending::Released => {
            tracing::error!(
                job.id = %lease.id,
                "the job's end cannot be recorded; its lease runs out and it is rescued: {reason}"
            );
            shared.leases.remove([(lease.pk, lease.epoch)].into_iter());
            None
        }
    }
}

/// After a COMMIT of unknown outcome: a lease that is still ours says that nothing was written.
async fn still_ours(shared: &Shared, link: &mut Link, mut part: Vec<Finished>) -> Vec<Finished> {
    let pks: Vec<i64> = part.iter().map(|finished| finished.lease.pk).collect();
    let epochs: Vec<i32> = part.iter().map(|finished| finished.lease.epoch).collect();
    match link.heartbeat(shared.worker, &pks, &epochs).await {
        Ok(held) => {
            let held: HashSet<i64> = held.into_iter().map(|(pk, _)| pk).collect();
            let over = part.iter().filter(|finished| !held.contains(&finished.lease.pk));
            shared.leases.remove(over.map(|finished| (finished.lease.pk, finished.lease.epoch)));
            part.retain(|finished| held.contains(&finished.lease.pk));
            part
        }
        // Writing again is safe without the answer: the epoch is compared.
        Err(_) => part,
    }
}
