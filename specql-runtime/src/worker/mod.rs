//! The worker: claims jobs, runs them, completes them, renews leases, rescues and stops.

/// A running worker.
#[derive(Debug)]
pub struct Worker {}
