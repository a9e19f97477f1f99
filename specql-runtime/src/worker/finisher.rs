//! Writes how jobs ended: everything that is done now in one call, two calls in flight.
//!
//! There is no timer. While one batch is being flushed the next one grows, so batches are as large as the load makes
//! them, and a single job waits for nobody.

use std::{collections::HashSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde_json::{Value, json};
use specql_registry::{FailureClass, Json};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, mpsc},
    time::{Instant, sleep_until, timeout_at},
};

use super::{budget, lease::Lease, retry::Verdict, shared::Shared};
use crate::{
    queue::{
        Link, QueueError,
        finish::{BUSY, Completions, Failures, Written},
    },
    runner::Failure,
};

/// The name under which its troubles are said.
const TASK: &str = "complete";
/// The largest batch.
const LARGEST_BATCH: usize = 1_000;
/// The waits between repetitions of a batch that the database did not take.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// So often a batch is repeated as a whole when PostgreSQL itself fails; then each half of it is.
const WHOLE_TRIES: u32 = 3;

/// A job whose run is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) lease: Arc<Lease>,
    pub(crate) ending: Ending,
    /// About how many its output takes.
    pub(crate) bytes: usize,
    /// The room that its output takes, until it is written.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Completed {
        output: Json,
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
    /// About how many bytes are to be written, beside what is small anyway.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Completed { output, .. } => output.size(),
            Self::Failed { .. } | Self::Released => 0,
        }
    }

    /// Whether the worker asked for another attempt.
    const fn wants_another_try(&self) -> bool {
        matches!(self, Self::Failed { verdict: Verdict { retry_in: Some(_), .. }, .. })
    }
}

/// Where both writers take their batches from.
pub(crate) type Inbox = Arc<Mutex<mpsc::Receiver<Finished>>>;

/// A writer: runs until the inbox is closed and everything is written.
pub(crate) async fn run(shared: Arc<Shared>, inbox: Inbox, mut link: Link) {
    let mut batch = Vec::new();
    let mut put_off = PutOff::default();
    loop {
        // One writer waits for results while the other writes.
        let next = async { inbox.lock().await.recv_many(&mut batch, LARGEST_BATCH).await };
        let closed = match put_off.due {
            Some(due) => timeout_at(due, next).await == Ok(0),
            None => next.await == 0,
        };
        if closed {
            match put_off.due {
                Some(due) => sleep_until(due).await,
                None => return,
            }
        }
        // Apart: those who were busy may be so still, and others do not wait with them.
        for endings in [std::mem::take(&mut batch), put_off.take_due()] {
            let busy = write_all(&shared, &mut link, endings).await;
            put_off.add(busy);
        }
    }
}

/// Jobs whose end could not be written by themselves, while others' could.
#[derive(Debug, Default)]
struct PutOff {
    endings: Vec<Finished>,
    /// When they are tried again; there is a time while there are any.
    due: Option<Instant>,
    wait: Option<Duration>,
}

impl PutOff {
    fn add(&mut self, endings: Vec<Finished>) {
        if !endings.is_empty() && self.due.is_none() {
            let wait = self.wait.map_or(FIRST_WAIT, |wait| (wait * 2).min(LONGEST_WAIT));
            self.wait = Some(wait);
            self.due = Some(Instant::now() + wait);
        }
        self.endings.extend(endings);
    }

    fn take_due(&mut self) -> Vec<Finished> {
        match self.due {
            Some(due) if due <= Instant::now() => {
                self.due = None;
                std::mem::take(&mut self.endings)
            }
            Some(_) => Vec::new(),
            None => {
                // The last ones are written.
                self.wait = None;
                Vec::new()
            }
        }
    }
}

/// Writes endings. Answers those that are to be tried again later.
async fn write_all(shared: &Shared, link: &mut Link, endings: Vec<Finished>) -> Vec<Finished> {
    let (mut completed, mut failed, mut released) = (Vec::new(), Vec::new(), Vec::new());
    for finished in endings {
        match finished.ending {
            Ending::Completed { .. } => completed.push(finished),
            Ending::Failed { .. } => failed.push(finished),
            Ending::Released => released.push(finished),
        }
    }
    let mut later = Vec::new();
    for kind in [completed, failed, released] {
        for part in budget::cut(kind, |finished| finished.bytes) {
            let fences: Vec<_> = part.iter().map(|finished| (finished.lease.pk, finished.lease.epoch)).collect();
            match AssertUnwindSafe(write(shared, link, part)).catch_unwind().await {
                Ok(busy) => later.extend(busy),
                Err(_) => {
                    tracing::error!(jobs = fences.len(), "the end of jobs was lost in a panic; they will be rescued");
                    shared.leases.abandon(&fences);
                }
            }
        }
    }
    later
}

/// Writes endings of one kind, until each is written or no longer ours to write. Answers those that are to be tried again
/// later by themselves.
async fn write(shared: &Shared, link: &mut Link, endings: Vec<Finished>) -> Vec<Finished> {
    let mut later = Vec::new();
    let mut parts = vec![endings];
    let mut wait = FIRST_WAIT;
    let mut failures = 0;
    while let Some(mut part) = parts.pop() {
        match shared.outage.or_recovery("jobs.complete", send(shared, link, &part)).await {
            Ok(written) => {
                shared.outage.worked(TASK);
                wait = FIRST_WAIT;
                later.extend(forget(shared, part, &written));
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
                shared.outage.failed(TASK, &error);
                failures += 1;
                if error.is_internal() && failures >= WHOLE_TRIES {
                    // It may come with one of them, who then waits alone.
                    match part.len() {
                        1 => later.append(&mut part),
                        jobs => {
                            let rest = part.split_off(jobs / 2);
                            parts.extend([rest, part]);
                        }
                    }
                    continue;
                }
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
    later
}

/// One call for endings of one kind.
async fn send(shared: &Shared, link: &mut Link, endings: &[Finished]) -> Result<Vec<Written>, QueueError> {
    let (mut completions, mut failures) = (Completions::default(), Failures::default());
    let (mut pks, mut epochs) = (Vec::new(), Vec::new());
    for Finished { lease, ending, .. } in endings {
        match ending {
            Ending::Completed { output, usage } => {
                completions.pks.push(lease.pk);
                completions.epochs.push(lease.epoch);
                completions.outputs.push(output.clone());
                completions.usages.push(Some(usage).filter(|usage| **usage != json!({})).cloned());
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
    let released = link.release(shared.worker, &pks, &epochs).await?;
    let busy = match usize::try_from(released) {
        Ok(released) if released >= pks.len() => HashSet::new(),
        _ => held(shared, link, &pks, &epochs).await?,
    };
    let result = |pk| if busy.contains(&pk) { BUSY } else { "released" };
    Ok(pks.into_iter().map(|pk| Written { pk, result: result(pk).into(), sqlstate: None }).collect())
}

/// Those of these jobs that are still this worker's.
async fn held(shared: &Shared, link: &mut Link, pks: &[i64], epochs: &[i32]) -> Result<HashSet<i64>, QueueError> {
    let held = link.heartbeat(shared.worker, pks, epochs).await?;
    Ok(held.into_iter().map(|(pk, _)| pk).collect())
}

/// Forgets what is written, and says what did not go as planned. Answers the jobs whose lease was busy.
fn forget(shared: &Shared, mut part: Vec<Finished>, written: &[Written]) -> Vec<Finished> {
    let busy: HashSet<i64> = written.iter().filter(|one| one.result == BUSY).map(|one| one.pk).collect();
    let later = if busy.is_empty() {
        Vec::new()
    } else {
        tracing::debug!(
            jobs = busy.len(),
            "another transaction has the leases of these jobs locked; their end is written later"
        );
        part.extract_if(.., |finished| busy.contains(&finished.lease.pk)).collect()
    };
    shared.leases.remove(part.iter().map(|finished| (finished.lease.pk, finished.lease.epoch)));
    if part.iter().any(|finished| finished.lease.limit().is_some()) {
        // The limit kept others waiting, perhaps.
        shared.wake.notify_one();
    }
    tracing::debug!(jobs = part.len(), "written");
    let unread: HashSet<i64> = part
        .iter()
        .filter(|finished| {
            matches!(&finished.ending, Ending::Failed { failure, .. } if failure.class == FailureClass::InvalidInput)
        })
        .map(|finished| finished.lease.pk)
        .collect();
    for one in written {
        if one.result == "retrying" && unread.contains(&one.pk) {
            tracing::info!(job = one.pk, "a newer version queued it: it waits for a worker of that");
        }
        let outcome = match one.result.as_str() {
            "fenced" => "the job's lease had passed to another worker; this worker's result was not recorded",
            "callback_waiting" => {
                shared.callback.notify_one();
                "the job's callback has not succeeded yet and will be run again; the call will not"
            }
            "failed" => {
                "the job failed for good, though this worker would have tried it again: its time or its attempts are over"
            }
            // Looked up for the rare ones alone: a batch is large.
            _ => continue,
        };
        if let Some(finished) = part.iter().find(|finished| finished.lease.pk == one.pk)
            && (one.result != "failed" || finished.ending.wants_another_try())
        {
            tracing::warn!(job.id = %finished.lease.id, sqlstate = one.sqlstate, "{outcome}");
        }
    }
    later
}

/// What to write instead of an ending that the database cannot take.
fn substitute(shared: &Shared, finished: Finished, error: &QueueError) -> Option<Finished> {
    let Finished { lease, ending, .. } = finished;
    let reason = error.describe();
    match ending {
        Ending::Completed { usage: _, output: _ } => {
            tracing::error!(job.id = %lease.id, "the job's output cannot be stored; recording that it is lost: {reason}");
            let message =
                super::text::message(&format!("the call succeeded, but its output cannot be stored: {reason}"));
            let failure = Failure::new(FailureClass::EffectResultLost, message);
            let verdict = Verdict { retry_in: None, counted: true };
            Some(Finished { lease, ending: Ending::Failed { failure, verdict }, bytes: 0, _room: None })
        }
        Ending::Failed { .. } | Ending::Released => {
            tracing::error!(
                job.id = %lease.id,
                "the job's end cannot be recorded; its lease runs out and it is rescued: {reason}"
            );
            shared.leases.abandon(&[(lease.pk, lease.epoch)]);
            None
        }
    }
}

/// After a COMMIT of unknown outcome: a lease that is still ours says that nothing was written.
async fn still_ours(shared: &Shared, link: &mut Link, mut part: Vec<Finished>) -> Vec<Finished> {
    let pks: Vec<i64> = part.iter().map(|finished| finished.lease.pk).collect();
    let epochs: Vec<i32> = part.iter().map(|finished| finished.lease.epoch).collect();
    match held(shared, link, &pks, &epochs).await {
        Ok(held) => {
            let over = part.iter().filter(|finished| !held.contains(&finished.lease.pk));
            shared.leases.remove(over.map(|finished| (finished.lease.pk, finished.lease.epoch)));
            part.retain(|finished| held.contains(&finished.lease.pk));
            part
        }
        // Writing again is safe without the answer: the epoch is compared.
        Err(_) => part,
    }
}
