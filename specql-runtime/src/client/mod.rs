//! What generated code calls: actions, enqueue, a job's outcome.

pub mod action;
pub mod connection;
pub mod enqueue;
pub mod outcome;

pub use action::{Action, ActionCall, ActionError, AnyTenant, AwaitedCall, Mutation, NeedsTenant, QueuedJob};
pub use connection::{Connection, Target};
pub use enqueue::{Enqueue, EnqueueError, EnqueueMany, Operation};
pub use outcome::{Job, JobFailure, OutcomeError};
