//! The SpecQL run time: the database, the job queue, the worker and the runners.
//!
//! | module | holds |
//! |---|---|
//! | [`project`] | what the generated code says about a project: migrations and registry |
//! | [`database`] | [`Database`]: connects to `DATABASE_URL` or the embedded server, migrates |
//! | [`client`] | what generated code calls: actions, enqueue, a job's outcome |
//! | [`queue`] | the protocol of `jobs`: all SQL of the worker and the client |
//! | [`worker`] | [`Worker`]: claims, runs, completes, renews leases, rescues, stops |
//! | [`runner`] | [`runner::Runner`] and the runners: HTTP, handlers in code |
//! | [`value`] | Rust types of the language's scalars |
//! | [`testing`] | a database per test |
//!
//! Invariants: a job row is data and never chooses what runs: the worker resolves everything from the registry in the
//! binary; every write about a job carries its lease's epoch; SQL stands in [`queue`] alone (and in `database` for
//! what must run before a schema exists).

pub mod client;
pub mod database;
pub mod project;
pub mod queue;
pub mod runner;
pub mod testing;
pub mod value;
pub mod worker;

/// What generated code names, so that a user's crate needs no dependency but this one.
#[doc(hidden)]
pub mod __private {
    pub use {bon, chrono, rust_decimal, serde, serde_json, sqlx, uuid};
}

pub use client::{ActionError, Job, JobFailure, Mutation, OutcomeError};
pub use database::Database;
pub use project::{DeclaredFunction, Migration, Project};
pub use worker::Worker;
