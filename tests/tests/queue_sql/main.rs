//! The queue's protocol, transition by transition, as SQL against a real PostgreSQL: no worker, no Rust client.
//!
//! Each module is a part of a job's life. Time is moved by writing to the state tables as their owner.

mod blocked_lanes;
mod callback_batches;
mod callbacks;
mod cancel;
mod claim;
mod enqueue;
mod fallback;
mod input;
mod keys;
mod lanes;
mod lint;
mod locks;
mod newer_calls;
mod plans;
mod put_off;
mod ranges;
mod rescue;
mod retention;
mod retry;
mod retry_many;
mod rights;
mod schedule;
mod standing;
mod support;
mod views;
mod wait;
mod waits_for;
mod worker_lanes;
