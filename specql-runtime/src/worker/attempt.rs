//! One attempt: the operation is called, or its fallback where nothing was sent.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use specql_registry::{FailureClass, Json, json::Object};

use super::{
    breakers::{abandon_probe, observe},
    catalog::Served,
    runs::Claimed,
    shared::Shared,
};
use crate::{
    queue::{
        lease::{BreakerState, ClaimedJob, Input},
        limits::Bound,
    },
    runner::{Context, Failure, RunningJob, Success, handler::panicked},
};

/// How long a runner may take to stop after it was told to, or after its deadline.
const GRACE: Duration = Duration::from_secs(5);
/// A refused connection or two are no reason to go elsewhere.
const TRIES_BEFORE_FALLBACK: u32 = 3;
/// No job runs longer, whatever its row says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How an attempt ended, and the operation that was called last.
pub(super) struct Attempt<'a> {
    pub(super) result: Result<Success, Failure>,
    pub(super) by: &'a Served,
}

/// Carries a job out: by its operation, or by a fallback where that proves to have sent nothing. Once a service may have
/// had its effect no other is called for the job, in this attempt or a later one.
pub(super) async fn carry_out<'a>(shared: &'a Shared, claimed: &Claimed, served: &'a Served) -> Attempt<'a> {
    let job = &claimed.job;
    let deadline = claimed.at + Duration::from_secs(job.timeout_seconds.max(1).into()).min(LONGEST);
    if let Some(code) = job.bound_code {
        Box::pin(abandon_probe(shared, claimed)).await;
        let Some(other) = shared.catalog.get(code).filter(|_| shared.readiness.now().serves(code)) else {
            let message = "an earlier attempt was made by a fallback that this worker does not serve";
            return Attempt { result: Err(Failure::new(FailureClass::NoCapacity, message)), by: served };
        };
        return Attempt { result: Box::pin(take_over(shared, claimed, code, other, deadline)).await, by: other };
    }

    let (mut code, mut by) = (job.operation_code, served);
    let mut result = match held_back(shared, claimed, code, served) {
        Some(failure) => Err(failure),
        None => observed(shared, claimed, code, served, deadline).await,
    };
    while let Err(failure) = &result
        && permits_fallback(failure, job)
        && !job.effect_possible
        && claimed.lease.stopped().is_none()
        && Instant::now() < deadline
        && let Some((next, other)) = shared.catalog.fallback(code)
        && shared.readiness.now().serves(next)
    {
        tracing::info!(
            from = by.service.name,
            to = other.service.name,
            "nothing was sent, and the fallback takes over: {}",
            failure.message
        );
        result = Box::pin(take_over(shared, claimed, next, other, deadline)).await;
        (code, by) = (next, other);
    }
    Attempt { result, by }
}

/// Whether a failure lets another service take the job over: nothing happened, and this was not just a moment's trouble.
fn permits_fallback(failure: &Failure, job: &ClaimedJob) -> bool {
    failure.no_effect
        && failure.class.permits_fallback()
        && (failure.class != FailureClass::NotStarted || job.put_off + 1 >= TRIES_BEFORE_FALLBACK)
}

/// Why the operation must not be called now: its breaker is open, by the claim's word or by what this worker knows.
fn held_back(shared: &Shared, claimed: &Claimed, code: i32, served: &Served) -> Option<Failure> {
    let open = match claimed.job.breaker {
        BreakerState::Closed => {
            // It may have opened since the claim, or been closed by hand before it.
            shared.breakers.open_for(code)?;
            shared.breakers.found_closed(code, claimed.at);
            shared.breakers.open_for(code)?
        }
        BreakerState::Open => shared.breakers.open_for(code).unwrap_or_default(),
        BreakerState::Probe => return None,
    };
    Some(breaker_open(served, open))
}

fn breaker_open(served: &Served, open: Duration) -> Failure {
    let message = format!("the circuit breaker of `{}.{}` is open", served.service.name, served.operation.name);
    Failure::new(FailureClass::BreakerOpen, message).retry_after(open)
}

/// Calls a fallback, once the database knows that it, and no other, may have the job's effect.
async fn take_over(
    shared: &Shared,
    claimed: &Claimed,
    code: i32,
    served: &Served,
    deadline: Instant,
) -> Result<Success, Failure> {
    if let Some(open) = shared.breakers.open_for(code) {
        return Err(breaker_open(served, open));
    }
    let (pk, epoch) = (claimed.lease.pk, claimed.lease.epoch);
    let bound = shared.control.lock().await.bind(shared.worker, pk, epoch, code).await;
    match bound {
        Ok(Bound::Yes) => {}
        Ok(Bound::NoRoom) => {
            let message = format!("the limit of `{}` leaves no room", served.service.name);
            return Err(Failure::new(FailureClass::NoCapacity, message));
        }
        Ok(Bound::No) => {
            claimed.lease.stop(super::lease::Stop::LeaseLost);
            return Err(Failure::new(FailureClass::NotStarted, "the lease was lost before the fallback was called"));
        }
        Err(error) => {
            let message = format!("the fallback was not called, for that could not be recorded: {}", error.describe());
            return Err(Failure::new(FailureClass::NoCapacity, message));
        }
    }
    claimed.lease.set_limit(shared.catalog.limit_of(code));
    let mut result = observed(shared, claimed, code, served, deadline).await;
    let name = format!("{}.{}", served.service.name, served.operation.name);
    match &mut result {
        Ok(success) => {
            if let serde_json::Value::Object(usage) = &mut success.usage {
                usage.insert("served_by".into(), name.into());
            }
        }
        Err(failure) => failure.message = format!("{name}: {}", failure.message),
    }
    result
}

/// A call, whose result the operation's breaker takes into account.
async fn observed(
    shared: &Shared,
    claimed: &Claimed,
    code: i32,
    served: &Served,
    deadline: Instant,
) -> Result<Success, Failure> {
    let result = call(shared, claimed, served, deadline).await;
    // Boxed, like all that is rare: a job's future is as large as the largest that it awaits, and a thousand are in flight.
    if served.operation.circuit_breaker.is_some() {
        Box::pin(observe(shared, claimed, code, served, &result)).await;
    }
    result
}

async fn call(shared: &Shared, claimed: &Claimed, served: &Served, deadline: Instant) -> Result<Success, Failure> {
    // Runners are code of others: whatever panics in one is the failure of this attempt and of nothing else.
    let attempt = AssertUnwindSafe(planned_and_executed(shared, claimed, served, deadline)).catch_unwind();
    attempt.await.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

async fn planned_and_executed(
    shared: &Shared,
    claimed: &Claimed,
    served: &Served,
    deadline: Instant,
) -> Result<Success, Failure> {
    let input = checked_input(served, &claimed.job.input)?;
    let job = RunningJob {
        id: claimed.job.id,
        epoch: claimed.job.epoch,
        attempt: claimed.job.attempt,
        tenant_id: claimed.job.tenant_id,
        service: &served.service,
        configuration: &served.configuration,
        operation: &served.operation,
        input: &input,
    };
    // The plan is made from this worker's own registry, always. Where the job was queued under another policy, it is
    // this one that decides.
    let plan = served.runner.plan(&job).map_err(|failure| denied_by_newer_policy(failure, claimed, served))?;
    let context =
        Context { cancel: claimed.lease.cancel.clone(), deadline, settings: std::sync::Arc::clone(&shared.settings) };
    tracing::debug!(service = served.service.name, operation = served.operation.name, "starting");
    tokio::select! {
        biased;
        // A runner may see only while it calls that a policy forbids it: an address that a name stands for.
        result = served.runner.execute(plan, &job, &context) => {
            result.map_err(|failure| denied_by_newer_policy(failure, claimed, served))
        }
        () = overdue(&context) => Err(Failure::new(
            FailureClass::Ambiguous,
            "the runner did not stop in time and was abandoned; the call may still have its effect",
        )),
    }
}

/// Ends when a runner has had its grace after a cancel, or after its deadline.
async fn overdue(context: &Context) {
    let told = async {
        context.cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = told => {}
        () = tokio::time::sleep_until((context.deadline + GRACE).into()) => {}
    }
}

/// The input as an object that fits the operation's schema, with constant defaults filled in.
fn checked_input(served: &Served, input: &Input) -> Result<Object, Failure> {
    let invalid = |why: String| Failure::new(FailureClass::InvalidInput, why);
    let text = match input {
        Input::Text(text) => text,
        Input::Left => return Err(Failure::new(FailureClass::NoCapacity, "the input was left in the database")),
        Input::Unreadable(why) => return Err(invalid(format!("the job's row cannot be read: {why}"))),
    };
    match Json::parse(text).map_err(|error| invalid(format!("the input cannot be read: {error}")))? {
        Json::Object(input) => served.operation.input.check_input(&input).map_err(|error| invalid(error.to_string())),
        _ => Err(invalid("the input is not an object".into())),
    }
}

/// Says so where a plan was refused that the policy at enqueue may have allowed.
fn denied_by_newer_policy(failure: Failure, claimed: &Claimed, served: &Served) -> Failure {
    if failure.class != FailureClass::PolicyDenied
        || claimed.job.policy_hash.as_deref() == Some(served.policy_hash.as_str())
    {
        return failure;
    }
    let message = format!("{} (the policy has changed since the job was queued)", failure.message);
    Failure { message, ..failure }
}
