//! Why a worker did not start.

use crate::queue::QueueError;

/// Why a worker did not start. Nothing was claimed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The registry in the binary cannot be read.
    #[error("the registry in this binary cannot be read; build it again with one version of SpecQL: {0}")]
    Registry(#[source] serde_json::Error),
    /// A handler for something that the project does not have.
    #[error("a handler was given for `{service}.{operation}`, which is not in the registry")]
    UnknownHandler {
        /// The service.
        service: String,
        /// The operation.
        operation: String,
    },
    /// The service is not configured in the chosen environment.
    #[error(
        "service `{service}` is not configured for environment `{environment}`; it knows `{known}`. \
         Set `SPECQL_ENV` or `Worker::builder(..).environment(..)` to one of them, or add it to the service"
    )]
    UnknownEnvironment {
        /// The service.
        service: String,
        /// What was chosen.
        environment: String,
        /// What there is.
        known: String,
    },
    /// A runner refused a service's configuration.
    #[error("the worker cannot serve a service: {reason}")]
    Refused {
        /// The service.
        service: String,
        /// Why.
        reason: String,
    },
    /// The database did not take an operation over.
    #[error("the database did not register `{service}.{operation}`; are its migrations applied?")]
    Unregistered {
        /// The service.
        service: String,
        /// The operation.
        operation: String,
    },
    /// No worker runs without a lane.
    #[error("a worker needs a concurrency of at least 1")]
    NoConcurrency,
    /// The database could not be asked, or refused.
    #[error("the worker could not make itself known to the database; are its migrations applied?")]
    Database(#[from] QueueError),
}
