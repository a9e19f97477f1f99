//! The worker against a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod batches;
mod callbacks;
mod cancel;
mod completion;
mod held_schedules;
mod inputs;
mod memory;
mod numbers;
mod panics;
mod project;
mod rescue;
mod retries;
mod scheduled_tenants;
mod schedules;
mod shutdown;
mod waits;
