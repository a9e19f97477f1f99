//! Calling an action.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// An action, by its input type. Implemented by generated code.
pub trait Action: Serialize + Send {
    /// The public function: `place_order` of `app.place_order`.
    const WRAPPER: &'static str;
    /// The row that a success reports, as the generated entity struct; `serde_json::Value` where there is none.
    type Row: DeserializeOwned + Send;
}

/// A call of an action that has not been sent yet.
#[must_use = "an action does nothing until it is sent"]
#[derive(Debug)]
pub struct ActionCall<A> {
    /// The input.
    pub(crate) input: A,
    /// The tenant in whose name it runs.
    pub(crate) tenant: Option<Uuid>,
    /// The user in whose name it runs.
    pub(crate) user: Option<Uuid>,
}

/// What a successful action did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mutation<R> {
    /// Public id of the row.
    pub id: Option<Uuid>,
    /// The row as it is now.
    pub row: Option<R>,
    /// Names of the fields that were written.
    pub updated_fields: Vec<String>,
    /// For people.
    pub message: Option<String>,
    /// The jobs that were queued.
    pub jobs: Vec<QueuedJob>,
    /// `extra_metadata` as the database returned it.
    pub metadata: serde_json::Value,
}

/// A job that an action queued.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct QueuedJob {
    /// The step's `as:` name or ordinal.
    pub step: String,
    /// The service.
    pub service: String,
    /// Its operation.
    pub operation: String,
    /// The job.
    pub job_id: Uuid,
    /// An earlier job with the same identifier was found, and no new one made.
    pub deduplicated: bool,
}

/// Why an action did not succeed. Nothing of it remains but the audit row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// `validation:<code>`: the input or a `validate` step.
    #[error("validation failed: {code}{}", .message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Validation {
        /// The code after `validation:`.
        code: String,
        /// For people.
        message: Option<String>,
    },
    /// A row that the action works on does not exist.
    #[error("not found{}", .message.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    NotFound {
        /// For people.
        message: Option<String>,
    },
    /// `conflict:<constraint>`.
    #[error("conflict with {constraint}")]
    Conflict {
        /// The constraint that was violated.
        constraint: String,
        /// For people.
        message: Option<String>,
    },
    /// `failed:<code>`: a `reject` step or an unexpected error.
    #[error("failed: {code}{}", .message.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Failed {
        /// The code after `failed:`.
        code: String,
        /// For people.
        message: Option<String>,
    },
    /// The answer does not have the shape that this binary was built for.
    #[error("the database answered `{wrapper}` in an unknown shape: {reason}")]
    Shape {
        /// The action.
        wrapper: &'static str,
        /// What did not fit.
        reason: String,
    },
    /// The database could not be asked, or must be asked again (class 40).
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Ties an input type to its module without a value.
#[doc(hidden)]
pub type Marker<A> = PhantomData<fn() -> A>;
