//! A worker in Python, `examples/python/worker.py`, beside the one in Rust: what holds of a worker holds in any language.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod breaker;
mod documentation;
mod failures;
mod leases;
mod side_by_side;
mod support;
