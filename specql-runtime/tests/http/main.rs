//! The HTTP runner against real servers on real sockets: plain ones, and ones that misbehave.
//!
//! Tests named `ht_NN_…` are rows of the attack matrix.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used)]

mod answer;
mod failure;
mod guard;
mod hostile;
mod request;
mod support;
