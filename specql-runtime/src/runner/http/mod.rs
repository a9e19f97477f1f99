//! The HTTP runner: one job, one request, one classified answer.
//!
//! ```text
//! plan     job → RequestPlan            pure: slots filled, segments encoded, secrets still references
//! request  RequestPlan → Request        settings resolved, URL and headers checked, body encoded and signed
//! guard    host and every address it resolves to; the connection goes to the checked addresses alone
//! exchange Request → Answer             one attempt; deadline, cancel, size and ratio caps
//! output   Answer → JSON                mapped and checked against the output schema
//! failure  what went wrong → Failure    the classes of `FailureClass`, the far side's own words, `Retry-After`
//! ```
//!
//! `readiness` says before a job is claimed what the environment lacks.
//!
//! What it does not do: follow redirects, keep cookies, use a proxy, repeat a request. The queue owns every retry.

mod address;
mod body;
mod client;
mod exchange;
mod failure;
mod form;
mod guard;
mod header;
mod output;
mod path;
mod plan;
mod planned;
mod readiness;
mod request;
mod resolver;
mod runner;
mod slots;
mod usage;
mod webhook;

use failure::failure;
pub use plan::RequestPlan;
pub use runner::HttpRunner;
