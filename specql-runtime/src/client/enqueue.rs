//! Queueing a call from Rust.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use specql_registry::service::Unique;
use uuid::Uuid;

use super::{Connection, Job};
use crate::queue::client::{self as statements, JobOptions, Options};

/// An operation of a service, as a zero-sized type. Implemented by generated code (`services::stripe::CreateCharge`).
pub trait Operation: Send + Sync + 'static {
    /// The service.
    const SERVICE: &'static str;
    /// Its operation.
    const OPERATION: &'static str;
    /// What it takes.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What it answers.
    type Output: Serialize + DeserializeOwned + Send + Sync;
}

/// A call that has not been queued yet.
#[must_use = "a job is queued only when it is sent"]
#[derive(Clone, Debug)]
pub struct Enqueue<O: Operation> {
    input: O::Input,
    options: Options,
    job: JobOptions,
}

/// Many calls of one operation that have not been queued yet.
#[must_use = "jobs are queued only when they are sent"]
#[derive(Clone, Debug)]
pub struct EnqueueMany<O: Operation> {
    inputs: Vec<O::Input>,
    options: Options,
    idempotency_keys: Option<Vec<String>>,
    correlation_ids: Option<Vec<String>>,
}

/// Why a job could not be queued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// This database has not heard of the operation.
    #[error("this database does not know the operation `{service}.{operation}`: run `db.migrate()` with this binary")]
    UnknownOperation {
        /// The service.
        service: &'static str,
        /// Its operation.
        operation: &'static str,
    },
    /// Another job has this idempotency key, and asks for something else.
    #[error("conflict on the idempotency key: {0}; give each call a key of its own, or repeat it as it was")]
    KeyConflict(String),
    /// A list beside the inputs is not as long as they are.
    #[error("{inputs} inputs, but {given} {list}: give one for each input, or none")]
    Lengths {
        /// `idempotency keys` or `correlation ids`.
        list: &'static str,
        /// How many inputs there are.
        inputs: usize,
        /// How many entries the list has.
        given: usize,
    },
    /// The database refused it or could not be asked.
    #[error(transparent)]
    Database(sqlx::Error),
}

/// The settings that one job and many have in common.
macro_rules! shared_settings {
    () => {
        /// Higher first; 0 where nothing is said.
        pub const fn priority(mut self, priority: i32) -> Self {
            self.options.priority = priority;
            self
        }

        /// Not before this long from now, by the database's clock.
        pub const fn delay(mut self, delay: Duration) -> Self {
            self.options.delay_seconds = Some(delay.as_secs_f64());
            self.options.run_at = None;
            self
        }

        /// Not before this point in time.
        pub const fn run_at(mut self, time: DateTime<Utc>) -> Self {
            self.options.run_at = Some(time);
            self.options.delay_seconds = None;
            self
        }

        /// The tenant in whose name it runs.
        pub const fn tenant(mut self, tenant: Uuid) -> Self {
            self.options.tenant = Some(tenant);
            self
        }

        /// The user in whose name it runs: `triggered_by` of the job.
        pub const fn user(mut self, user: Uuid) -> Self {
            self.options.user = Some(user);
            self
        }

        /// What a second call with the same idempotency key does, where it is not what the registry says.
        pub const fn unique(mut self, unique: Unique) -> Self {
            self.options.unique = Some(unique.name());
            self
        }
    };
}

impl<O: Operation> Enqueue<O> {
    /// A call with this input. Generated functions make it.
    pub fn new(input: O::Input) -> Self {
        Self { input, options: Options::default(), job: JobOptions::default() }
    }

    shared_settings!();

    /// A second call with the same key (of the same tenant and operation) is the same job, as far as the operation's
    /// `unique` says. At most 512 bytes.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.job.idempotency_key = Some(key.into());
        self
    }

    /// Jobs that belong together carry the same: `jobs.v_correlation` shows them as one story.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.job.correlation_id = Some(id.into());
        self
    }

    /// How long one attempt may take (in whole seconds, rounded up), where it is not what the registry says.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        self.job.timeout_seconds = Some(i32::try_from(seconds.max(1)).unwrap_or(i32::MAX));
        self
    }

    /// Attempts in all (at least one), where it is not what the registry says.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.job.max_attempts = Some(i32::try_from(attempts.max(1)).unwrap_or(i32::MAX));
        self
    }

    /// Queues it: `&db`, `&pool`, `&mut connection`, or `&mut transaction` so that it exists only if the caller's own
    /// transaction commits.
    ///
    /// # Errors
    /// When the database refuses it or cannot be asked. A duplicate is not an error: see [`Job::deduplicated`].
    pub async fn send<'c>(self, connection: impl Connection<'c>) -> Result<Job<O>, EnqueueError> {
        let target = connection.into_target();
        let queued = statements::enqueue(target, O::SERVICE, O::OPERATION, &self.input, self.options, self.job).await;
        queued.map(Job::queued).map_err(EnqueueError::of::<O>)
    }
}

impl<O: Operation> EnqueueMany<O> {
    /// Calls with these inputs. Generated functions make it.
    pub fn new(inputs: Vec<O::Input>) -> Self {
        Self { inputs, options: Options::default(), idempotency_keys: None, correlation_ids: None }
    }

    shared_settings!();

    /// One key for each input, in their order.
    pub fn idempotency_keys(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.idempotency_keys = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// One correlation id for each input, in their order.
    pub fn correlation_ids(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.correlation_ids = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// Queues them all with one statement. The jobs come back in the order of the inputs.
    ///
    /// # Errors
    /// When a list is not as long as the inputs, or the database refuses it or cannot be asked: then none is queued.
    pub async fn send<'c>(self, connection: impl Connection<'c>) -> Result<Vec<Job<O>>, EnqueueError> {
        let inputs = self.inputs.len();
        for (list, entries) in
            [("idempotency keys", &self.idempotency_keys), ("correlation ids", &self.correlation_ids)]
        {
            if let Some(given) = entries.as_ref().map(Vec::len).filter(|given| *given != inputs) {
                return Err(EnqueueError::Lengths { list, inputs, given });
            }
        }
        if self.inputs.is_empty() {
            return Ok(Vec::new());
        }
        let queued = statements::enqueue_many(
            connection.into_target(),
            O::SERVICE,
            O::OPERATION,
            &self.inputs,
            self.options,
            self.idempotency_keys,
            self.correlation_ids,
        )
        .await
        .map_err(EnqueueError::of::<O>)?;
        Ok(queued.into_iter().map(Job::queued).collect())
    }
}

impl EnqueueError {
    fn of<O: Operation>(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        match code.as_deref() {
            Some(statements::UNKNOWN_OPERATION) => {
                Self::UnknownOperation { service: O::SERVICE, operation: O::OPERATION }
            }
            Some(statements::KEY_CONFLICT) => Self::KeyConflict(statements::detail(&error)),
            _ => Self::Database(error),
        }
    }
}
