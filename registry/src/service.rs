//! The checked registry: services, their operations and how they are retried.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ExecutionType, Schema,
    http::{HttpOperation, HttpService},
    limits::{CircuitBreaker, Limits},
};

/// All services of a project, in name order. This is what the compiler puts into the binary, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// Name → service.
    pub services: IndexMap<String, Service>,
}

/// A service that jobs may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Unique name.
    pub name: String,
    /// `type:` in YAML; a free word for listings.
    pub kind: Option<String>,
    /// A free word for listings.
    pub category: Option<String>,
    /// One line for people.
    pub description: Option<String>,
    /// Which runner serves it.
    pub execution_type: ExecutionType,
    /// What its jobs may do over all workers together.
    #[serde(default)]
    pub limits: Limits,
    /// A handler serves it, which the worker's program must have. Otherwise an operation without a target may also be another
    /// worker's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handled_in_code: bool,
    /// The service that takes over a call that was not started; it has the same operations.
    #[serde(default)]
    pub fallback: Option<String>,
    /// Configuration and policy where no environment is chosen (production).
    pub base: Configuration,
    /// Name → the configuration in that environment, already merged over the base.
    pub environments: IndexMap<String, Environment>,
    /// Name → operation.
    pub operations: IndexMap<String, Operation>,
}

/// A service's configuration in a named environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// May be weaker than the base.
    pub development: bool,
    /// The merged configuration.
    pub configuration: Configuration,
}

/// `runner_config` and `security_policy`, by type of runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a handful per process; a box would cost every reader")]
pub enum Configuration {
    /// An HTTP API.
    Http(HttpService),
    /// No target: served by a handler in code, or by another worker.
    Handler,
}

/// Something that a service can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Unique within its service.
    pub name: String,
    /// One line for people.
    pub description: Option<String>,
    /// What it takes.
    pub input: Schema,
    /// What it answers.
    pub output: Schema,
    /// Seconds before a call is given up.
    pub timeout_seconds: u32,
    /// Attempts in all, 1 or more.
    pub max_attempts: u32,
    /// How long a job is put off that cannot be started, in seconds from its first try.
    #[serde(default = "a_day")]
    pub give_up_after_seconds: u32,
    /// What a second call with the same identifier does.
    pub unique: Unique,
    /// Whether an attempt of unknown outcome may be repeated: declared, or by method or idempotency header.
    pub idempotent: bool,
    /// The waits between attempts.
    pub retry: RetryPolicy,
    /// When its calls stop for a while; without one they never do.
    #[serde(default)]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// What its runner needs.
    pub call: Call,
}

/// The longest that a job is put off where nothing is said.
const fn a_day() -> u32 {
    86_400
}

/// What a runner needs of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a handful per process; a box would cost every reader")]
pub enum Call {
    /// An HTTP request.
    Http(HttpOperation),
    /// Served by a handler in code.
    Handler,
}

/// What a second call of an operation with the same identifier, or idempotency key, does.
///
/// Two calls are the same one where their inputs are, apart from values that differ each time: `now()`, random functions and the
/// columns that every row has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unique {
    /// The same call is no new job while the newest one of that name is unfinished. Another call is, and starts when those before
    /// it have ended.
    #[default]
    InFlight,
    /// Besides, a job that still waits ends as superseded when a newer call comes: only the latest counts.
    Latest,
    /// No new job of that name, nor after one completed.
    Once,
    /// Always a new job.
    Never,
}

impl Unique {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InFlight, Self::Latest, Self::Once, Self::Never];

    /// The name in YAML and SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Latest => "latest",
            Self::Once => "once",
            Self::Never => "never",
        }
    }
}

/// The waits between attempts: exponential, with full jitter unless it is turned off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Milliseconds before the second attempt, doubled for each further one.
    pub initial_ms: u64,
    /// The longest wait in milliseconds.
    pub max_ms: u64,
    /// Draw each wait evenly from zero to its value.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { initial_ms: 1_000, max_ms: 600_000, jitter: true }
    }
}

impl Registry {
    /// The operation of that name.
    #[must_use]
    pub fn operation(&self, service: &str, operation: &str) -> Option<(&Service, &Operation)> {
        let service = self.services.get(service)?;
        Some((service, service.operations.get(operation)?))
    }
}

impl Service {
    /// The configuration in `environment`; `None` where the service defines environments but not this one.
    ///
    /// A service without any environments has the same configuration in all of them.
    #[must_use]
    pub fn configuration(&self, environment: Option<&str>) -> Option<&Configuration> {
        match environment {
            None => Some(&self.base),
            Some(_) if self.environments.is_empty() => Some(&self.base),
            Some(name) => self.environments.get(name).map(|environment| &environment.configuration),
        }
    }
}

/// Digest of all that decides what a job of this operation may do: hex SHA-256 over configuration, policy, call and schemas.
///
/// Recorded with a job when it is queued; a worker whose own digest differs checks the job against its own policy. The
/// schemas belong to it so that an input which a newer version queued is known from one that is simply wrong.
///
/// # Panics
/// Never: the types it writes have no map with keys other than text.
#[must_use]
pub fn policy_hash(configuration: &Configuration, operation: &Operation) -> String {
    let parts = (configuration, &operation.call, &operation.input, &operation.output);
    let text = serde_json::to_string(&parts).expect("plain data is always JSON");
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
