//! Runs one job: checks it against the worker's own registry, plans it, executes it, and says how it ended.

use std::{
    any::Any,
    time::{Duration, Instant},
};

use specql_registry::{FailureClass, Json};

use super::{
    attempt::{self, Attempt},
    breakers,
    catalog::Served,
    finisher::Ending,
    lease::Stop,
    retry::{self, Tries, Verdict},
    runs::Claimed,
    shared::Shared,
    text,
};
use crate::{
    queue::lease::BreakerState,
    runner::{Failure, Success, handler},
};

/// Runs a claimed job to its end. Never runs on for long after the job's deadline.
pub(crate) async fn run(shared: &Shared, claimed: &Claimed) -> Ending {
    let Some(served) = shared.catalog.get(claimed.job.operation_code) else {
        // The database gave what was not asked for. No row chooses what runs.
        let failure = Failure::new(FailureClass::PolicyDenied, "this worker does not serve the job's operation");
        return Ending::Failed { failure, verdict: Verdict { retry_in: None, counted: false } };
    };
    if !shared.contact.is_fresh() || !claimed.lease.is_fresh() {
        // A worker that was paused, or a claim that was answered late: the lease may be another's by now, so nothing is started.
        claimed.lease.stop(Stop::LeaseLost);
    }
    if let Some(why) = claimed.lease.stopped() {
        Box::pin(breakers::abandon_probe(shared, claimed)).await;
        return before_start(why);
    }
    let Attempt { result, by } = attempt::carry_out(shared, claimed, served).await;
    conclude(shared, claimed, by, result)
}

/// The end of a job that was not started.
fn before_start(why: Stop) -> Ending {
    match why {
        Stop::Cancelled => cancelled(Failure::new(FailureClass::Cancelled, "cancelled before it started"), false),
        Stop::LeaseLost | Stop::Shutdown => Ending::Released,
    }
}

fn cancelled(failure: Failure, counted: bool) -> Ending {
    Ending::Failed { failure, verdict: Verdict { retry_in: None, counted } }
}

/// What an attempt's result means for the job.
fn conclude(shared: &Shared, claimed: &Claimed, served: &Served, result: Result<Success, Failure>) -> Ending {
    let job = &claimed.job;
    // Whatever a runner says, no credential that was used goes into a row.
    let redactor = shared.settings.redactor();
    let mut failure = match result {
        // It happened: a cancel that came too late does not undo it.
        Ok(success) => {
            let output = redactor.json(success.output).without_nul();
            return Ending::Completed { output, usage: storable(success.usage) };
        }
        Err(failure) => failure,
    };
    failure.message = text::message(&redactor.text(&failure.message));
    failure.usage = storable(failure.usage);
    match claimed.lease.stopped() {
        Some(Stop::Cancelled) => {
            // A runner that was cancelled says no more than that it has stopped: what it had sent may still be acted on.
            let sure = failure.no_effect;
            let note =
                if sure { "cancelled" } else { "cancelled; the call was abandoned and may still have its effect" };
            failure = Failure { class: FailureClass::Cancelled, message: note.into(), ..failure };
            return cancelled(failure, !sure);
        }
        // Told to go before anything was sent: another worker starts afresh.
        Some(Stop::Shutdown | Stop::LeaseLost) if failure.class == FailureClass::NotStarted => return Ending::Released,
        // Or when repeating is harmless: another worker repeats the call at once and no attempt is used up. But the call
        // may have been made, and that is recorded: a later failure must not give the job's key back.
        Some(Stop::Shutdown | Stop::LeaseLost) if served.operation.idempotent => {
            let message = "the worker stopped during the call, which another one repeats".into();
            let failure = Failure { class: FailureClass::Ambiguous, message, no_effect: false, ..failure };
            return Ending::Failed { failure, verdict: Verdict { retry_in: Some(Duration::ZERO), counted: false } };
        }
        // Anything else is judged as what it is.
        _ => {}
    }
    // A fallback's failure says nothing of the service that was to be probed.
    let by_itself = shared.catalog.get(job.operation_code).is_some_and(|own| std::ptr::eq(&**own, served));
    let probes = job.breaker == BreakerState::Probe && by_itself;
    let verdict = retry::judge(&failure, &served.operation, tries(claimed, probes));
    report(claimed, served, &failure, verdict);
    Ending::Failed { failure, verdict }
}

fn tries(claimed: &Claimed, probes: bool) -> Tries {
    let job = &claimed.job;
    Tries { attempt: job.attempt, max_attempts: job.max_attempts, put_off: job.put_off, probes }
}

fn storable(usage: serde_json::Value) -> serde_json::Value {
    Json::from(usage).without_nul().into()
}

/// The end of a job whose run panicked outside of its runner, too: at a point that nobody knows.
pub(crate) async fn panicked(shared: &Shared, claimed: &Claimed, panic: Box<dyn Any + Send>) -> Ending {
    let failure = handler::panicked(&*panic);
    drop(panic);
    Box::pin(breakers::abandon_probe(shared, claimed)).await;
    let failure = Failure { message: text::message(&failure.message), ..failure };
    tracing::error!("running the job panicked; please report this: {}", failure.message);
    let job = &claimed.job;
    let verdict = match shared.catalog.get(job.operation_code) {
        Some(served) => retry::judge(&failure, &served.operation, tries(claimed, false)),
        None => Verdict { retry_in: None, counted: true },
    };
    Ending::Failed { failure, verdict }
}

fn report(claimed: &Claimed, served: &Served, failure: &Failure, verdict: Verdict) {
    let (service, operation) = (&served.service.name, &served.operation.name);
    let took = Instant::now().duration_since(claimed.at);
    match verdict.retry_in {
        Some(wait) => tracing::info!(
            service, operation, class = %failure.class, ?wait, ?took,
            "attempt failed and will be repeated: {}", failure.message
        ),
        // The database may know that a newer version queued it: then it waits for a worker of that, and the finisher says so.
        None if failure.class == FailureClass::InvalidInput => tracing::warn!(
            service, operation, class = %failure.class, ?took, "the input is of no use here: {}", failure.message
        ),
        None => tracing::warn!(
            service, operation, class = %failure.class, ?took,
            "job failed for good; `jobs.retry` queues it again: {}", failure.message
        ),
    }
}
