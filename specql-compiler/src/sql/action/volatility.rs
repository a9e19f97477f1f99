//! What PostgreSQL may assume of a function: a function that writes nothing says so.

use super::step::any_step;
use crate::model::{Expr, ExprKind, Step, StepKind};

/// What a function may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Volatility {
    /// Depends on its arguments alone.
    Immutable,
    /// Reads.
    Stable,
    /// Writes or locks.
    Volatile,
}

impl Volatility {
    /// That of a function with these steps; `locks` when it locks a row before them.
    pub(super) fn of(steps: &[Step], locks: bool) -> Self {
        let pure = |step: &Step| {
            matches!(step.kind, StepKind::Validate { .. } | StepKind::If { .. } | StepKind::Reject { .. })
        };
        if locks || any_step(steps, |step| !pure(step)) {
            return Self::Volatile;
        }
        let reads = |step: &Step| match &step.kind {
            StepKind::Validate { condition, .. } | StepKind::If { condition, .. } => reads(condition),
            _ => false,
        };
        if any_step(steps, reads) { Self::Stable } else { Self::Immutable }
    }

    /// The line in `CREATE FUNCTION`; the default needs none.
    pub(super) const fn clause(self) -> &'static str {
        match self {
            Self::Immutable => "IMMUTABLE\n",
            Self::Stable => "STABLE\n",
            Self::Volatile => "",
        }
    }
}

/// Whether an expression reads a table, the clock or a setting.
fn reads(expr: &Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::Follow { .. } | ExprKind::KeyOf { .. } | ExprKind::PublicId(_) | ExprKind::Job(_) => true,
        ExprKind::Call { function, .. } => matches!(*function, "now" | "concat" | "date_trunc"),
        _ => false,
    };
    let mut found = own;
    expr.children(&mut |child| found |= reads(child));
    found
}
