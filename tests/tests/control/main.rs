//! What holds jobs back or sends them elsewhere, over two workers and a real PostgreSQL: limits, fairness between tenants,
//! pauses, circuit breakers, fallbacks.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod breakers;
mod documentation;
mod fairness;
mod fallback;
mod limits;
mod pause;
mod project;
