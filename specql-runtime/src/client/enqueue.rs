//! Queueing a call from Rust.

use serde::{Serialize, de::DeserializeOwned};

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
#[derive(Debug)]
pub struct Enqueue<O: Operation> {
    /// The input.
    pub(crate) input: O::Input,
}

/// Why a job could not be queued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The input could not be written as JSON.
    #[error("the input is not JSON: {0}")]
    Input(#[from] serde_json::Error),
    /// The database refused it or could not be asked.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
