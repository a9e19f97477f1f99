//! The HTTP runner.

/// A request, exact but for its secrets.
#[derive(Clone, Debug)]
pub struct RequestPlan {}
