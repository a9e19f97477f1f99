//! What PostgreSQL may assume of a function: a function that writes nothing says so.

use super::step::any_step;
use crate::model::{
    Expr, ExprKind, Model, Step, StepKind,
    function::{Function, Volatility},
};

impl Volatility {
    /// That of a function with these steps; `locks` when it locks a row before them.
    pub(super) fn of(model: &Model, steps: &[Step], locks: bool) -> Self {
        let pure = |step: &Step| {
            matches!(step.kind, StepKind::Validate { .. } | StepKind::If { .. } | StepKind::Reject { .. })
        };
        if locks || any_step(steps, |step| !pure(step)) {
            return Self::Volatile;
        }
        let mut all = Self::Immutable;
        for step in steps {
            step.walk(&mut |step| match &step.kind {
                StepKind::Validate { condition, .. } | StepKind::If { condition, .. } => {
                    all = all.max(of_expression(model, condition));
                }
                _ => {}
            });
        }
        all
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

/// Whether an expression reads a table, the clock or a setting, or calls what does anything.
fn of_expression(model: &Model, expr: &Expr) -> Volatility {
    let mut all = match &expr.kind {
        ExprKind::Follow { .. } | ExprKind::KeyOf { .. } | ExprKind::PublicId(_) | ExprKind::Job(_) => {
            Volatility::Stable
        }
        ExprKind::Call { function, .. } => {
            Function::find(function).map_or(Volatility::Volatile, |function| function.volatility)
        }
        ExprKind::UserCall { function, .. } => model.function(*function).volatility,
        _ => Volatility::Immutable,
    };
    expr.children(&mut |child| all = all.max(of_expression(model, child)));
    all
}
