//! PgBouncer between a process and PostgreSQL: what it makes impossible is refused with a sentence, and the rest works.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod by_session;
mod by_transaction;
mod opening;
mod queueing;
mod support;
