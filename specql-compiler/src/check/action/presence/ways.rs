//! What a condition tells of the paths in it.

use crate::{
    model::expr::{BinaryOp, UnaryOp},
    syntax::expr::{Ast, AstKind},
};

/// How a condition came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check::action) enum Ways {
    True,
    False,
    /// False or NULL: the way of an `else`.
    NotTrue,
    /// True or NULL.
    NotFalse,
}

impl Ways {
    const fn of_the_opposite(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::NotTrue => Self::NotFalse,
            Self::NotFalse => Self::NotTrue,
        }
    }
}

/// The paths that are not NULL when the condition came out so.
pub(super) fn present<'a>(condition: &'a Ast, ways: Ways, found: &mut Vec<&'a Ast>) {
    match &condition.kind {
        // Never NULL itself.
        AstKind::IsNull { value, negated } => {
            if *negated == matches!(ways, Ways::True | Ways::NotFalse) {
                operands(value, found);
            }
        }
        AstKind::Unary(UnaryOp::Not, inner) => present(inner, ways.of_the_opposite(), found),
        AstKind::Binary(BinaryOp::And, left, right) => {
            if matches!(ways, Ways::True | Ways::NotFalse) {
                present(left, ways, found);
                present(right, ways, found);
            }
        }
        AstKind::Binary(BinaryOp::Or, left, right) => {
            if matches!(ways, Ways::False | Ways::NotTrue) {
                present(left, ways, found);
                present(right, ways, found);
            }
        }
        _ => {
            if matches!(ways, Ways::True | Ways::False) {
                operands(condition, found);
            }
        }
    }
}

/// The paths that are not NULL when the value of this is not: those whose NULL would make it NULL.
fn operands<'a>(value: &'a Ast, found: &mut Vec<&'a Ast>) {
    match &value.kind {
        AstKind::Name(_) | AstKind::Path { .. } => found.push(value),
        AstKind::Unary(_, inner) => operands(inner, found),
        AstKind::Binary(operator, left, right) if !matches!(operator, BinaryOp::And | BinaryOp::Or) => {
            operands(left, found);
            operands(right, found);
        }
        AstKind::Like { value, pattern, .. } => {
            operands(value, found);
            operands(pattern, found);
        }
        // What is outside one bound is outside, whatever the other is; and what is one of a list, whatever else is in it.
        AstKind::Between { value, .. } | AstKind::In { value, .. } => operands(value, found),
        _ => {}
    }
}
