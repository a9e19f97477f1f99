//! Why a worker did not start, and what it left behind when it stopped.

use uuid::Uuid;

use crate::{
    database::{Incompatible, PooledByTransaction},
    queue::{QueueError, rights::Lacking},
};

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
    /// Operations of services with `handled_in_code: true` for which this worker has no handler.
    #[error("{}", without_handler(.operations))]
    NoHandler {
        /// `service.operation`, in the registry's order.
        operations: Vec<String>,
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
    /// A newer version of the project has taken away what this binary needs.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    /// A pooler gives the worker another session for each transaction.
    #[error(transparent)]
    Pooled(#[from] PooledByTransaction),
    /// The role of the connection lacks rights that a worker needs.
    #[error("{0}")]
    Rights(Lacking),
    /// No worker runs without a slot.
    #[error("a worker needs a concurrency of at least 1")]
    NoConcurrency,
    /// The database could not be asked, or refused.
    #[error("the worker could not make itself known to the database; are its migrations applied?")]
    Database(#[from] QueueError),
}

/// What a worker that stopped could not bring to its end. Nothing is lost: what it left behind is taken up by another
/// worker, or by the next start of this one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The end of these jobs is not written: they did not stop in time, or the database did not take it.
    #[error(
        "the worker stopped before the end of {} was written, the first being `{}`; another worker will rescue them",
        counted(.jobs.len()), .jobs.first().copied().unwrap_or_default()
    )]
    Unfinished {
        /// The jobs, oldest first.
        jobs: Vec<Uuid>,
    },
    /// Every job's end is written, but the worker still stands in `jobs.v_worker`, until its row is a day old.
    #[error("every job's end is written, but the worker could not take itself off the list of workers")]
    Registered(#[source] QueueError),
    /// A second signal came while the worker was stopping: it was killed.
    #[error("stopped by a second signal; running jobs will be rescued by another worker")]
    Interrupted,
}

/// What a worker lacks, and the line that is missing where it is made.
fn without_handler(operations: &[String]) -> String {
    let lines: Vec<String> = operations
        .iter()
        .map(|name| {
            let path = type_path(name);
            format!("`{name}`: write `.handle::<{path}>(|input, job| async move {{ … }})`, or `.elsewhere::<{path}>()`")
        })
        .collect();
    format!(
        "`handled_in_code: true` says that a handler serves these operations, and this worker has none. Give its builder one, or say \
         that another worker does: {}",
        lines.join("; ")
    )
}

/// The generated type of `service.operation`: `services::crm::SyncAll` of `crm.sync_all`.
fn type_path(name: &str) -> String {
    let (service, operation) = name.split_once('.').unwrap_or(("", name));
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str())).unwrap_or_default()
    };
    format!("services::{service}::{}", operation.split('_').map(capital).collect::<String>())
}

fn counted(jobs: usize) -> String {
    if jobs == 1 { "1 job".into() } else { format!("{jobs} jobs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_without_a_handler_shows_the_line_that_is_missing() {
        let error = StartError::NoHandler { operations: vec!["crm.sync_all".into(), "pdf.render".into()] };
        assert_eq!(
            error.to_string(),
            "`handled_in_code: true` says that a handler serves these operations, and this worker has none. Give its builder one, or say \
             that another worker does: `crm.sync_all`: write `.handle::<services::crm::SyncAll>(|input, job| async move { … })`, or \
             `.elsewhere::<services::crm::SyncAll>()`; `pdf.render`: write \
             `.handle::<services::pdf::Render>(|input, job| async move { … })`, or `.elsewhere::<services::pdf::Render>()`"
        );
    }

    #[test]
    fn a_shutdown_error_says_how_many_jobs_and_names_one() {
        let error = ShutdownError::Unfinished { jobs: vec![Uuid::from_u128(7), Uuid::from_u128(8)] };
        assert_eq!(
            error.to_string(),
            "the worker stopped before the end of 2 jobs was written, the first being \
             `00000000-0000-0000-0000-000000000007`; another worker will rescue them"
        );
    }
}
