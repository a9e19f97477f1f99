//! Handlers: an async function that serves an operation. The smallest runner.

use std::{any::Any, error::Error, marker::PhantomData, panic::AssertUnwindSafe, time::Instant};

use futures_util::FutureExt;
use serde_json::json;
use specql_registry::{FailureClass, Json, Service, service::Configuration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{BoxFuture, Context, Failure, Plan, Runner, RunningJob, Success};
use crate::{client::Operation, worker::words};

/// A function that can serve operation `O`: `|input: O::Input, job: JobContext| async move { Ok(output) }`.
///
/// Any error type will do. A [`Failure`] says its class itself; any other error means that something went wrong at
/// an unknown point, which is the class `ambiguous`: it is tried again only where the operation is idempotent.
pub trait Handler<O: Operation>:
    Fn(O::Input, JobContext) -> <Self as Handler<O>>::Future + Send + Sync + 'static
{
    /// Its error.
    type Error: Into<Box<dyn Error + Send + Sync>>;
    /// What it returns.
    type Future: Future<Output = Result<O::Output, Self::Error>> + Send + 'static;
}

impl<O, F, R, E> Handler<O> for F
where
    O: Operation,
    F: Fn(O::Input, JobContext) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O::Output, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Error = E;
    type Future = R;
}

/// What a handler may know of its job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobContext {
    /// The job's id, the same in every attempt: what a callee should be given as its idempotency key.
    pub id: Uuid,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The tenant in whose name it was queued.
    pub tenant_id: Option<Uuid>,
    /// When the handler is dropped.
    pub deadline: Instant,
    /// Fires when the job is cancelled or the worker must go. The handler itself is dropped then, at its current
    /// `await`; this is for tasks that it has started.
    pub cancel: CancellationToken,
}

/// Runs a [`Handler`] as the runner of its operation.
pub(crate) struct HandlerRunner<O, H> {
    handler: H,
    operation: PhantomData<fn() -> O>,
}

impl<O: Operation, H: Handler<O>> HandlerRunner<O, H> {
    pub(crate) const fn new(handler: H) -> Self {
        Self { handler, operation: PhantomData }
    }

    async fn call(&self, job: &RunningJob<'_>, context: &Context) -> Result<Success, Failure> {
        // As text, in which numbers have all their digits: a type that can hold them is given them.
        let input = serde_json::to_string(job.input).and_then(|text| serde_json::from_str(&text)).map_err(|error| {
            let reason = format!("the input does not fit the handler's type: {error}");
            Failure::new(FailureClass::InvalidInput, reason)
        })?;
        let job_context = JobContext {
            id: job.id,
            attempt: job.attempt,
            tenant_id: job.tenant_id,
            deadline: context.deadline,
            cancel: context.cancel.clone(),
        };
        // The handler's own code may panic before its first await as well as after it.
        let handled = async { (self.handler)(input, job_context).await };
        let output = tokio::select! {
            biased;
            handled = AssertUnwindSafe(handled).catch_unwind() => match handled {
                Ok(Ok(output)) => output,
                Ok(Err(error)) => return Err(failure_of(error.into())),
                Err(panic) => return Err(panicked(&*panic)),
            },
            () = context.cancel.cancelled() => {
                return Err(Failure::new(FailureClass::Ambiguous, "the handler was stopped at an unknown point"));
            }
            () = tokio::time::sleep_until(context.deadline.into()) => {
                return Err(Failure::new(FailureClass::Timeout, "the handler was dropped at its deadline"));
            }
        };
        let unwritable = |error: &dyn std::fmt::Display| {
            let reason = format!("the handler's output cannot be written as JSON: {error}");
            Failure::new(FailureClass::EffectResultLost, reason)
        };
        let output = serde_json::to_string(&output).map_err(|error| unwritable(&error))?;
        let output = Json::parse(&output).map_err(|error| unwritable(&error))?;
        let output = job.operation.output.check_output(&output).map_err(|error| {
            let reason = format!("the handler's output does not fit the operation: {error}");
            Failure::new(FailureClass::EffectResultLost, reason)
        })?;
        Ok(Success { output, usage: json!({}) })
    }
}

impl<O: Operation, H: Handler<O>> Runner for HandlerRunner<O, H> {
    fn validate(&self, _service: &Service, _configuration: &Configuration) -> Result<(), String> {
        Ok(())
    }

    fn plan(&self, _job: &RunningJob<'_>) -> Result<Plan, Failure> {
        Ok(Plan::Handler)
    }

    fn execute<'a>(
        &'a self,
        _plan: Plan,
        job: &'a RunningJob<'a>,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Success, Failure>> {
        Box::pin(self.call(job, context))
    }
}

/// The failure that an error is, or `ambiguous` with its text and its causes.
fn failure_of(error: Box<dyn Error + Send + Sync>) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(error) => {
            let mut message = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                message.push_str(": ");
                message.push_str(&inner.to_string());
                cause = inner.source();
            }
            Failure::new(FailureClass::Ambiguous, message)
        }
    }
}

/// A panic is a failure at an unknown point.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    Failure::new(FailureClass::Ambiguous, format!("the runner panicked: {}", words(panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_handlers_own_is_ambiguous_and_tells_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("rendering failed")]
        struct Outer(#[source] std::io::Error);
        let failure = failure_of(Outer(std::io::Error::other("no ink")).into());
        assert_eq!(failure.class, FailureClass::Ambiguous);
        assert_eq!(failure.message, "rendering failed: no ink");
    }

    #[test]
    fn a_failure_keeps_its_class_on_its_way_through_the_error_box() {
        let failure = failure_of(Failure::new(FailureClass::PermanentReported, "no such page").into());
        assert_eq!(failure.class, FailureClass::PermanentReported);
    }

    #[test]
    fn the_message_of_a_panic_is_kept() {
        let panic = std::panic::catch_unwind(|| panic!("page {}", 3)).expect_err("it panics");
        assert_eq!(panicked(&*panic).message, "the runner panicked: page 3");
    }
}
