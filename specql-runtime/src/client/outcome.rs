//! A queued job, and what became of it.

use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};

use specql_registry::FailureClass;
use sqlx::PgPool;
use uuid::Uuid;

use super::Operation;
use crate::{
    Database,
    queue::{
        client::{self as statements, Queued, Standing},
        ended::Wait,
    },
};

/// The first wait between two looks at a job; each further one is half as long again.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// The longest wait between two looks at a job while nothing would be heard of it.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// The first wait for a notification; each further one is twice as long.
const FIRST_HEARD_WAIT: Duration = Duration::from_millis(50);
/// The longest wait for a notification: it may have been missed.
const LONGEST_HEARD_WAIT: Duration = Duration::from_secs(1);
/// The database forgets after a minute that somebody waits.
const WATCH_EVERY: Duration = Duration::from_secs(40);

/// A job that was queued. It exists once its transaction has committed.
pub struct Job<O: Operation> {
    /// Its id.
    pub id: Uuid,
    /// An earlier job with the same key was found, and no new one made.
    pub deduplicated: bool,
    pub(crate) operation: PhantomData<fn() -> O>,
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
    /// The job ended in a way that this binary does not know.
    #[error("the job ended with {what} `{value}`, which this binary does not know")]
    Unexpected {
        /// `status` or `failure class`.
        what: &'static str,
        /// What the database has.
        value: String,
    },
    /// The output does not have the shape that this binary was built for.
    #[error("the job's output does not fit: {0}")]
    Shape(#[from] serde_json::Error),
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl<O: Operation> Job<O> {
    /// The job of that id: one that another process queued, or that an action reported.
    #[must_use]
    pub const fn from_id(id: Uuid) -> Self {
        Self { id, deduplicated: false, operation: PhantomData }
    }

    pub(crate) const fn queued(queued: Queued) -> Self {
        Self { id: queued.job_id, deduplicated: queued.deduplicated, operation: PhantomData }
    }

    /// Waits until the job is done and returns its typed output.
    ///
    /// It is told by PostgreSQL: while anybody waits, the process has one connection more, which listens for all. In case
    /// that is not heard (a pooler swallows LISTEN), it also looks for itself, with short queries, at least once a second.
    /// Dropping the future stops the waiting and nothing else (so `tokio::time::timeout` around it is safe): the job
    /// goes on, and its outcome can be asked for again.
    ///
    /// # Errors
    /// [`OutcomeError::Failed`] when the job ended without success; [`OutcomeError::Unknown`] when there is no such
    /// job, so also when its transaction has not committed: call it after the commit.
    pub async fn outcome(&self, database: &Database) -> Result<O::Output, OutcomeError> {
        let standing = ended(database.pool(), self.id).await?.ok_or(OutcomeError::Unknown(self.id))?;
        Ok(serde_json::from_str(&outcome(standing)?)?)
    }
}

/// Waits until a job is no longer pending or running; `None` where there is no such job.
pub(super) async fn ended(pool: &PgPool, id: Uuid) -> Result<Option<Standing>, sqlx::Error> {
    let standing = statements::standing(pool, id).await?;
    if !standing.as_ref().is_some_and(is_unfinished) {
        return Ok(standing);
    }
    let waiting = Wait::begin(pool, id);
    let (mut wait, mut watched) = (FIRST_WAIT, None::<Instant>);
    loop {
        if !waiting.listens() {
            watched = None;
        } else if watched.is_none_or(|since| since.elapsed() >= WATCH_EVERY) {
            statements::watch(pool, id).await?;
            if watched.is_none() {
                wait = FIRST_HEARD_WAIT;
            }
            watched = Some(Instant::now());
        }
        // After `watch`: what ended before it is seen here, and what ends later is announced.
        let standing = statements::standing(pool, id).await?;
        if !standing.as_ref().is_some_and(is_unfinished) {
            return Ok(standing);
        }
        // A job that is heard of is looked at, and so is one of which nothing was heard for so long.
        let _told = tokio::time::timeout(wait, waiting.told()).await.is_ok();
        wait = match watched {
            Some(_) => (wait * 2).min(LONGEST_HEARD_WAIT),
            None => (wait * 3 / 2).min(LONGEST_WAIT),
        };
    }
}

fn is_unfinished(standing: &Standing) -> bool {
    matches!(standing.status.as_str(), "pending" | "running")
}

/// The output of a job that is done.
fn outcome(standing: Standing) -> Result<String, OutcomeError> {
    match standing.status.as_str() {
        // An operation without output fields answers nothing, which is an object without fields.
        "completed" => Ok(standing.output_data.filter(|output| output != "null").unwrap_or_else(|| "{}".to_owned())),
        "failed" | "cancelled" => {
            let class = match standing.failure_class {
                Some(name) => FailureClass::from_name(&name)
                    .ok_or(OutcomeError::Unexpected { what: "failure class", value: name })?,
                None if standing.status == "cancelled" => FailureClass::Cancelled,
                None => return Err(OutcomeError::Unexpected { what: "failure class", value: String::new() }),
            };
            Err(OutcomeError::Failed(JobFailure {
                class,
                message: standing.error_message.unwrap_or_default(),
                attempts: u32::try_from(standing.attempts).unwrap_or_default(),
            }))
        }
        _ => Err(OutcomeError::Unexpected { what: "status", value: standing.status }),
    }
}

// Derived impls would ask the same of `O`, which is only a name.
impl<O: Operation> Clone for Job<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O: Operation> Copy for Job<O> {}

impl<O: Operation> fmt::Debug for Job<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("operation", &format_args!("{}.{}", O::SERVICE, O::OPERATION))
            .field("id", &self.id)
            .field("deduplicated", &self.deduplicated)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: &str, class: Option<&str>) -> Standing {
        Standing {
            status: status.to_owned(),
            output_data: None,
            error_message: Some("card declined".to_owned()),
            failure_class: class.map(str::to_owned),
            attempts: 3,
        }
    }

    #[test]
    fn a_job_is_waited_for_while_it_is_pending_or_running() {
        assert!(is_unfinished(&standing("pending", None)) && is_unfinished(&standing("running", None)));
        assert!(["completed", "failed", "cancelled"].iter().all(|status| !is_unfinished(&standing(status, None))));
    }

    #[test]
    fn a_completed_job_without_output_answers_an_empty_object() {
        assert_eq!(outcome(standing("completed", None)).unwrap(), "{}");
    }

    #[test]
    fn a_failure_says_class_message_and_attempts() {
        let error = outcome(standing("failed", Some("permanent_reported"))).unwrap_err();
        assert_eq!(error.to_string(), "job failed after 3 attempts: permanent_reported: card declined");
    }

    #[test]
    fn a_cancelled_job_failed_as_cancelled() {
        let error = outcome(standing("cancelled", None)).unwrap_err();
        assert!(matches!(error, OutcomeError::Failed(JobFailure { class: FailureClass::Cancelled, .. })));
    }

    #[test]
    fn what_this_binary_does_not_know_is_an_error_and_not_an_endless_wait() {
        assert!(!is_unfinished(&standing("paused", None)));
        assert!(matches!(outcome(standing("paused", None)), Err(OutcomeError::Unexpected { what: "status", .. })));
        assert!(matches!(outcome(standing("failed", Some("bored"))), Err(OutcomeError::Unexpected { .. })));
    }
}
