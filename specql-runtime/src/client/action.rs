//! Calling an action.

use std::{marker::PhantomData, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Connection, Job, Operation, Target, outcome};
use crate::queue::client::{self as statements, MutationRow};

/// An action, by its input type. Implemented by generated code.
pub trait Action: Serialize + Send + Sync {
    /// The public function: `place_order` of `app.place_order`.
    const WRAPPER: &'static str;
    /// The calls with `async: false`: whoever sends the action waits for their jobs.
    const AWAITED: &'static [AwaitedCall] = &[];
    /// The row that a success reports, as the generated entity struct; `serde_json::Value` where there is none.
    type Row: DeserializeOwned + Send;
}

/// A `call_service` step with `async: false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitedCall {
    /// The step's `as:` name or ordinal.
    pub step: &'static str,
    /// The service.
    pub service: &'static str,
    /// Its operation.
    pub operation: &'static str,
    /// How long its job is waited for: the time that an attempt may take, and the step's `delay`.
    pub timeout: Duration,
}

/// A call of an action that has not been sent yet.
///
/// One of a multi-tenant schema is an `ActionCall<A, NeedsTenant>` until [`ActionCall::tenant`] says for whom: before
/// that it cannot be sent.
///
/// ```no_run
/// # use specql_runtime::{Database, client::{Action, ActionCall, NeedsTenant}};
/// # async fn example<A: Action>(call: ActionCall<A, NeedsTenant>, db: &Database, tenant: uuid::Uuid) {
/// call.tenant(tenant).send(db).await;
/// # }
/// ```
///
/// ```compile_fail
/// # use specql_runtime::{Database, client::{Action, ActionCall, NeedsTenant}};
/// # async fn example<A: Action>(call: ActionCall<A, NeedsTenant>, db: &Database, tenant: uuid::Uuid) {
/// call.send(db).await;
/// # }
/// ```
#[must_use = "an action does nothing until it is sent"]
#[derive(Clone, Debug)]
pub struct ActionCall<A, T = AnyTenant> {
    input: A,
    tenant: Option<Uuid>,
    user: Option<Uuid>,
    state: PhantomData<T>,
}

/// Of a call that can be sent: it has its tenant, or needs none.
#[derive(Clone, Copy, Debug)]
pub enum AnyTenant {}

/// Of a call that must be given a tenant first.
#[derive(Clone, Copy, Debug)]
pub enum NeedsTenant {}

/// What a successful action did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mutation<R> {
    /// Public id of the row.
    pub id: Option<Uuid>,
    /// The row as the action left it. A callback may have changed it since.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `failed:<code>`: a `reject` step, or `unexpected_error`. What that was is logged, with its SQLSTATE and its row in
    /// `app.tb_mutation_audit_log`, and stays out of here: this may be shown to end users.
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
    /// The action succeeded and is committed, but whether a job with `async: false` is done could not be asked. Do not
    /// repeat the action: ask for the job's outcome.
    #[error("the action succeeded, but whether its job {} is done could not be asked: {}", .job.job_id, crate::queue::error::words(source))]
    Waiting {
        /// Public id of the row.
        id: Option<Uuid>,
        /// The job.
        job: Box<QueuedJob>,
        /// Why not.
        source: sqlx::Error,
    },
    /// The database could not be asked, or must be asked again (class 40).
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl<A: Action, T> ActionCall<A, T> {
    /// A call with this input. Generated functions make it.
    pub const fn new(input: A) -> Self {
        Self { input, tenant: None, user: None, state: PhantomData }
    }

    /// The tenant in whose name it runs; needed where the schema is multi-tenant.
    pub fn tenant(self, tenant: Uuid) -> ActionCall<A> {
        ActionCall { input: self.input, tenant: Some(tenant), user: self.user, state: PhantomData }
    }

    /// The user in whose name it runs: `created_by`, `updated_by` and the audit row.
    pub const fn user(mut self, user: Uuid) -> Self {
        self.user = Some(user);
        self
    }
}

impl<A: Action> ActionCall<A> {
    /// Runs the action, in one round trip: `&db`, `&pool`, `&mut connection`, or `&mut transaction` to make it part of
    /// the caller's own transaction.
    ///
    /// Where steps of the action have `async: false`, it returns only when their jobs are done, however they ended, or when the
    /// `timeout` of each is over: an outage may last longer than anybody waits. [`Job::outcome`] then answers at once, or
    /// waits on. With a connection or a transaction it cannot wait, for no worker sees the
    /// jobs before the commit: it returns at once, and `outcome` does the waiting. Dropping the future while it waits
    /// does not undo the action.
    ///
    /// # Errors
    /// What the action answered, or why it could not be asked. [`ActionError::Database`] with a SQLSTATE of class 40
    /// (serialisation failure, deadlock) means: repeat the whole transaction.
    pub async fn send<'c>(self, connection: impl Connection<'c>) -> Result<Mutation<A::Row>, ActionError> {
        let target = connection.into_target();
        let pool = match &target {
            Target::Pool(pool) if !A::AWAITED.is_empty() => Some(pool.clone()),
            _ => None,
        };
        let answer = statements::act(target, A::WRAPPER, self.tenant, self.user, &self.input).await?;
        if let Some(cause) = &answer.unexpected {
            tracing::error!(
                action = A::WRAPPER,
                sqlstate = cause.sqlstate,
                place = cause.place,
                audit_row = cause.audit_row,
                "the action ended with an error that nobody foresaw; its row in `app.tb_mutation_audit_log` has the message, \
                 unless the transaction is rolled back"
            );
        }
        let mutation = Mutation::read(A::WRAPPER, answer)?;
        if let Some(pool) = pool {
            let queued = tokio::time::Instant::now();
            for job in &mutation.jobs {
                let Some(call) = A::AWAITED.iter().find(|call| job.is_of(call)) else { continue };
                let ended = tokio::time::timeout_at(queued + call.timeout, outcome::ended(&pool, job.job_id));
                match ended.await {
                    // A job that is gone was done: retention removes no other.
                    Ok(Ok(_)) => {}
                    Ok(Err(source)) => {
                        let job = Box::new(job.clone());
                        return Err(ActionError::Waiting { id: mutation.id, job, source });
                    }
                    Err(_) => tracing::info!(
                        job.id = %job.job_id, service = job.service, operation = job.operation,
                        "the job is not done within its time, and goes on without the caller"
                    ),
                }
            }
        }
        Ok(mutation)
    }
}

impl<R: DeserializeOwned> Mutation<R> {
    fn read(wrapper: &'static str, answer: MutationRow) -> Result<Self, ActionError> {
        let shape = |reason: String| ActionError::Shape { wrapper, reason };
        let status = answer.status.ok_or_else(|| shape("no status".to_owned()))?;
        let message = answer.message;
        match status.split_once(':').unwrap_or((&status, "")) {
            ("success", "") => {}
            ("not_found", "") => return Err(ActionError::NotFound { message }),
            ("validation", code) => return Err(ActionError::Validation { code: code.to_owned(), message }),
            ("conflict", constraint) => {
                return Err(ActionError::Conflict { constraint: constraint.to_owned(), message });
            }
            ("failed", code) => return Err(ActionError::Failed { code: code.to_owned(), message }),
            _ => return Err(shape(format!("status `{status}`"))),
        }
        let row = match answer.object_data {
            None | Some(serde_json::Value::Null) => None,
            Some(data) => Some(R::deserialize(data).map_err(|error| shape(format!("object_data: {error}")))?),
        };
        let metadata = answer.extra_metadata.unwrap_or_default();
        let jobs = match metadata.get("jobs") {
            None | Some(serde_json::Value::Null) => Vec::new(),
            Some(jobs) => serde::Deserialize::deserialize(jobs)
                .map_err(|error: serde_json::Error| shape(format!("extra_metadata.jobs: {error}")))?,
        };
        let updated_fields = answer.updated_fields.unwrap_or_default();
        Ok(Self { id: answer.id, row, updated_fields, message, jobs, metadata })
    }
}

impl<R> Mutation<R> {
    /// The first job of this operation that the action queued: `placed.job::<services::stripe::CreateCharge>()`.
    #[must_use]
    pub fn job<O: Operation>(&self) -> Option<Job<O>> {
        self.jobs.iter().find_map(QueuedJob::of)
    }
}

impl QueuedJob {
    fn is_of(&self, call: &AwaitedCall) -> bool {
        (self.step.as_str(), self.service.as_str(), self.operation.as_str())
            == (call.step, call.service, call.operation)
    }

    /// This job with its types, if it is one of operation `O`.
    #[must_use]
    pub fn of<O: Operation>(&self) -> Option<Job<O>> {
        (self.service == O::SERVICE && self.operation == O::OPERATION)
            .then(|| Job { deduplicated: self.deduplicated, ..Job::from_id(self.job_id) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: &str) -> MutationRow {
        MutationRow {
            id: None,
            updated_fields: None,
            status: Some(status.to_owned()),
            message: Some("why".to_owned()),
            object_data: None,
            extra_metadata: None,
            unexpected: None,
        }
    }

    fn read(answer: MutationRow) -> Result<Mutation<serde_json::Value>, ActionError> {
        Mutation::read("place_order", answer)
    }

    #[test]
    fn a_success_carries_the_row_and_its_jobs() {
        let mut success = answer("success");
        success.object_data = Some(json!({"total": 42}));
        success.extra_metadata = Some(json!({"jobs": [{
            "step": "1", "service": "stripe", "operation": "create_charge",
            "job_id": "018f3f6e-7b0a-7c3e-9d7e-0123456789ab", "deduplicated": true,
        }]}));
        let mutation = read(success).unwrap();
        assert_eq!(mutation.row.unwrap()["total"], 42);
        assert_eq!(mutation.jobs[0].operation, "create_charge");
        assert!(mutation.jobs[0].deduplicated);
    }

    #[test]
    fn every_status_is_its_own_error() {
        assert!(matches!(read(answer("not_found")), Err(ActionError::NotFound { .. })));
        assert!(
            matches!(read(answer("validation:total:low")), Err(ActionError::Validation { code, .. }) if code == "total:low")
        );
        assert!(
            matches!(read(answer("conflict:uq_order")), Err(ActionError::Conflict { constraint, .. }) if constraint == "uq_order")
        );
        assert!(matches!(read(answer("failed:closed")), Err(ActionError::Failed { code, .. }) if code == "closed"));
    }

    #[test]
    fn an_unknown_status_is_never_a_success() {
        assert!(matches!(read(answer("successful")), Err(ActionError::Shape { .. })));
        assert!(matches!(read(answer("success:almost")), Err(ActionError::Shape { .. })));
        assert!(matches!(read(MutationRow { status: None, ..answer("") }), Err(ActionError::Shape { .. })));
    }

    #[test]
    fn a_message_stands_behind_the_code() {
        assert_eq!(read(answer("failed:closed")).unwrap_err().to_string(), "failed: closed (why)");
    }
}
