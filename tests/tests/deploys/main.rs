//! Two versions of a project on one queue, and workers that lack what a service needs.
//!
//! | | shown by |
//! |---|---|
//! | jobs of a newer version, mid-rollout and after a roll-back | [`rollout`] |
//! | whose limits and defaults stand | [`order`] |
//! | binaries from before registries were told apart | [`older_binaries`] |
//! | missing and unusable credentials | [`readiness`] |
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod documentation;
mod older_binaries;
mod order;
mod project;
mod readiness;
mod rollout;
