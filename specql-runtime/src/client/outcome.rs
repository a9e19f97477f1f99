//! A queued job, and what became of it.

use specql_registry::FailureClass;
use uuid::Uuid;

use super::Operation;

/// A job that was queued. It exists once its transaction has committed.
#[derive(Debug)]
pub struct Job<O: Operation> {
    /// Its id.
    pub id: Uuid,
    /// An earlier job with the same key was found, and no new one made.
    pub deduplicated: bool,
    pub(crate) operation: std::marker::PhantomData<fn() -> O>,
}

/// A job that ended without success.
#[derive(Clone, Debug, thiserror::Error)]
#[error("job failed after {attempts} attempts: {class}: {message}")]
#[non_exhaustive]
pub struct JobFailure {
    /// What kind of failure.
    pub class: FailureClass,
    /// For people; without secrets.
    pub message: String,
    /// Calls made.
    pub attempts: u32,
}

/// Why a job's outcome is not its output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The job failed or was cancelled.
    #[error(transparent)]
    Failed(#[from] JobFailure),
    /// There is no such job (or its transaction has not committed).
    #[error("no job {0}: its transaction has not committed, or retention removed it")]
    Unknown(Uuid),
    /// The output does not have the shape that this binary was built for.
    #[error("the job's output does not fit: {0}")]
    Shape(#[from] serde_json::Error),
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
