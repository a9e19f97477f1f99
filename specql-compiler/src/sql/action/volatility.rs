//! What PostgreSQL may assume of a function: a function that writes nothing says so.

use crate::model::{
    Expr, ExprKind, Model, Return, Step, StepKind,
    function::{Function, Volatility},
    step::Source,
};

impl Volatility {
    /// That of a function with these steps; `locks` when it locks a row before them.
    pub(super) fn of(model: &Model, steps: &[Step], locks: bool) -> Self {
        if locks {
            return Self::Volatile;
        }
        let own = steps.iter().map(|step| Self::step(model, step)).max().unwrap_or(Self::Immutable);
        let inner = steps.iter().flat_map(Step::branches).map(|branch| Self::of(model, branch, false)).max();
        inner.map_or(own, |inner| inner.max(own))
    }

    /// That of a step by itself.
    fn step(model: &Model, step: &Step) -> Self {
        match &step.kind {
            StepKind::Validate { condition, .. } | StepKind::If { condition, .. } => of_expression(model, condition),
            StepKind::Reject { .. } => Self::Immutable,
            StepKind::Find { locks: false, .. } => Self::Stable,
            StepKind::Foreach(foreach) => match &foreach.source {
                Source::Rows { .. } => Self::Volatile,
                Source::Values { list, .. } => of_expression(model, list),
            },
            StepKind::CallAction(call) => {
                let action = model.action(call.action).1;
                let args =
                    call.args.iter().map(|(_, value)| of_expression(model, value)).max().unwrap_or(Self::Immutable);
                // Where it reports a row, that is read.
                let reads = if call.bind.is_some() { Self::Stable } else { Self::Immutable };
                Self::of(model, &action.steps, action.loads_current_row.is_some()).max(args).max(reads)
            }
            StepKind::CallFunction { call, .. } => of_expression(model, call),
            StepKind::Return(value) => match value {
                Return::Nothing => Self::Immutable,
                Return::Row(_) => Self::Stable,
                Return::Message(value) | Return::Value(value) => of_expression(model, value),
            },
            StepKind::Insert { .. }
            | StepKind::Update { .. }
            | StepKind::Delete { .. }
            | StepKind::Find { locks: true, .. }
            | StepKind::Notify { .. }
            | StepKind::CallService(_) => Self::Volatile,
        }
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
        ExprKind::Follow { .. }
        | ExprKind::Member { .. }
        | ExprKind::KeyOf { .. }
        | ExprKind::PublicId(_)
        | ExprKind::Job(_) => Volatility::Stable,
        ExprKind::Call { function, .. } => {
            Function::find(function).map_or(Volatility::Volatile, |function| function.volatility)
        }
        ExprKind::UserCall { function, .. } => model.function(*function).volatility,
        ExprKind::List(_) | ExprKind::Object(_) => Volatility::Stable,
        _ => Volatility::Immutable,
    };
    expr.children(&mut |child| all = all.max(of_expression(model, child)));
    all
}
