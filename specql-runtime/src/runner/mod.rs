//! Runners: what carries a job out.
//!
//! A runner is given the service and operation *of the worker's own registry* and the job's input; it answers with
//! an output or a classified failure. Retries, callbacks and records are the worker's business.

use std::{future::Future, pin::Pin, sync::Arc, time::Instant};

use specql_registry::{FailureClass, Json, Operation, Service, failure::Health, json::Object, service::Configuration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A boxed future, so that runners can be kept in one map.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries out the jobs of one execution type.
pub trait Runner: Send + Sync {
    /// Checks a service's configuration when a worker starts. The compiler has checked the same already; this guards
    /// against a registry that did not come from it, and resolves what only the worker's machine knows.
    ///
    /// # Errors
    /// What is wrong and what would be right, for the person who starts the worker.
    fn validate(&self, service: &Service, configuration: &Configuration) -> Result<(), String>;

    /// What this machine lacks that a job of the operation would need: a credential above all. Nothing, by default. Asked
    /// when a worker starts and now and then; while there is anything, the operation's jobs are not claimed here.
    ///
    /// Each is said for people, without the value of a secret.
    fn lacks(
        &self,
        service: &Service,
        configuration: &Configuration,
        operation: &Operation,
        settings: &Settings,
    ) -> Vec<String> {
        let _ = (service, configuration, operation, settings);
        Vec::new()
    }

    /// What would be done, exactly, with secrets still as references. Pure: no network, no files, no clock.
    ///
    /// # Errors
    /// `policy_denied` or `invalid_input`.
    fn plan(&self, job: &RunningJob<'_>) -> Result<Plan, Failure>;

    /// Does it. Must return soon after `context.cancel` fires; must never outlive `context.deadline`.
    fn execute<'a>(
        &'a self,
        plan: Plan,
        job: &'a RunningJob<'a>,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Success, Failure>>;
}

/// A claimed job with what the worker's own registry says about it.
#[derive(Clone, Copy, Debug)]
pub struct RunningJob<'a> {
    /// The job's id: the idempotency key, the same in every attempt.
    pub id: Uuid,
    /// The lease's epoch: with the id it fences this attempt.
    pub epoch: i32,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The tenant in whose name it was queued.
    pub tenant_id: Option<Uuid>,
    /// The service, from the worker's registry.
    pub service: &'a Service,
    /// Its configuration in the worker's environment.
    pub configuration: &'a Configuration,
    /// The operation, from the worker's registry.
    pub operation: &'a Operation,
    /// The input, checked against the operation's schema, with constant defaults filled in.
    pub input: &'a Object,
}

/// What a runner is about to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Plan {
    /// A handler in code.
    Handler,
    /// An HTTP request.
    #[cfg(feature = "http")]
    Http(Box<http::RequestPlan>),
}

/// What surrounds an attempt.
#[derive(Clone, Debug)]
pub struct Context {
    /// Fires when the job is cancelled, its lease is lost, or the worker must go.
    pub cancel: CancellationToken,
    /// When the attempt must be over.
    pub deadline: Instant,
    /// Resolves `{env: …}` and `{secret: …}`.
    pub settings: Arc<Settings>,
}

/// A call that succeeded.
#[derive(Clone, Debug)]
pub struct Success {
    /// Fits the operation's output schema.
    pub output: Json,
    /// Measured use of resources: keys of `resource_usage`.
    pub usage: serde_json::Value,
}

/// A call that did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{class}: {message}")]
pub struct Failure {
    /// What may be done next.
    pub class: FailureClass,
    /// What happened, for people; without secrets.
    pub message: String,
    /// The far side said when to try again (`Retry-After`), or we know it.
    pub retry_after: Option<std::time::Duration>,
    /// `retry_on` / `retry_codes` of the operation decided, instead of the class.
    pub retry: Option<bool>,
    /// Nothing happened, for certain: the job's uniqueness key may be given back, and a fallback may be called. Never of an
    /// unknown outcome; of a refusal only where the far side does nothing before it refuses.
    pub no_effect: bool,
    /// What it says of the service, to its circuit breaker.
    pub health: Health,
    /// Measured use of resources.
    pub usage: serde_json::Value,
}

impl Failure {
    /// A failure of which the class says all.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            retry_after: None,
            retry: None,
            no_effect: class.proves_no_effect(),
            health: class.health(),
            usage: serde_json::json!({}),
        }
    }

    /// The same, where it is known that nothing happened: of a refusal, say, that comes before anything is done.
    #[must_use]
    pub const fn without_effect(mut self) -> Self {
        self.no_effect = true;
        self
    }

    /// The same, not to be tried again before `wait` is over.
    #[must_use]
    pub const fn retry_after(mut self, wait: std::time::Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

pub mod handler;
#[cfg(feature = "http")]
pub mod http;
pub mod redact;
pub mod settings;

pub use settings::Settings;
