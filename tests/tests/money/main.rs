//! Money: whatever becomes of a charge, the customer may click again and the operator may try again, and one intent (an order)
//! is charged at most once. A bank of each test's own counts.
//!
//! | situation | key | the customer's second click | `jobs.retry` | tests |
//! |---|---|---|---|---|
//! | a class that proves no effect | given back | another job, which charges | refused, naming that job; before the click: the same job | [`classes`], [`answers`] |
//! | a class that does not | kept | the same job, `deduplicated` | the same job under the same `Idempotency-Key`: the bank answers as before | [`classes`], [`answers`] |
//! | the same, where the bank knows no key | kept | the same job; no call | a call, for whoever has looked that none happened | [`answers`], [`crash`] |
//! | the callback failed | kept | the same job | the callback alone | [`classes`] |
//! | cancelled before any call | given back | another job, which charges | refused, naming that job | [`cancel`] |
//! | cancelled in a call, or between two | kept | the same job | the same job under the same `Idempotency-Key` | [`cancel`] |
//! | cancelled during the callback, or when done | kept (`once`) | the same job | refused: it has not failed | [`cancel`] |
//! | the worker is killed | kept | the same job | refused while nobody knows of it; then as after an unknown outcome | [`crash`] |
//! | the worker stops in the call | kept | the same job | not needed for a charge, which the next worker repeats; a transfer is left open | [`crash`] |
//! | `in_flight` and done | given back | another job, which charges once more | a failed one whose successor is done: runs | [`answers`] |
//!
//! Classes that HTTP does not produce (`killed_external`, `resource_limit` and others) are reported by a worker by hand in
//! [`classes`], which has charged wherever the class leaves that open. [`mutations`] shows that the tests can fail.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod answers;
mod bank;
mod cancel;
mod classes;
mod crash;
mod mutations;
mod till;
