//! A queue whose jobs do as they are told, on a server of the test's choice; and workers of it, here or in other processes.
//!
//! A task's `how` says what its call does: `now` answers at once, `250ms` so much later, `hang` never; `busy` fails the
//! first time, `refuse` for good, `die` kills the process that runs it. Every call is counted on a *far side*, a table that no transaction of the
//! queue has a part in. The generated callbacks count in the task's own row.

mod handler;
mod queue;

pub use handler::{Call, builder};
pub use queue::{Outcome, Queue, Standing};

/// What the project's code has.
#[allow(missing_docs)] // generated
mod generated {
    specql_macros::specql!("project");
}

pub use generated::{PROJECT, actions, enqueue, services};
