//! What a condition tells of rows that may not have been found.

use super::super::{ActionChecker, Binding};
use crate::syntax::expr::{Ast, AstKind, BinaryOp, UnaryOp};

impl ActionChecker<'_> {
    /// From here on the condition is known to be true, or not to be: rows of which it says so are there.
    pub(super) fn assume(&mut self, condition: &Ast, holds: bool) {
        let mut names = Vec::new();
        present(condition, holds, &mut names);
        for name in names {
            let bindings = &mut self.frame_mut().bindings;
            let known = bindings.iter().rev().find(|(bound, _)| bound == name).map(|(_, binding)| binding.clone());
            if let Some(Binding::Optional(row)) = known {
                bindings.push((name.to_owned(), Binding::Row(row)));
            }
        }
    }
}

/// The variables that are not NULL when the condition is true, or is not true.
fn present<'a>(condition: &'a Ast, holds: bool, names: &mut Vec<&'a str>) {
    match &condition.kind {
        AstKind::IsNull { value, negated } if *negated == holds => {
            if let AstKind::Path { root, members } = &value.kind
                && members.is_empty()
            {
                names.push(&root.value);
            }
        }
        AstKind::Unary(UnaryOp::Not, inner) => present(inner, !holds, names),
        AstKind::Binary(BinaryOp::And, left, right) if holds => {
            present(left, holds, names);
            present(right, holds, names);
        }
        AstKind::Binary(BinaryOp::Or, left, right) if !holds => {
            present(left, holds, names);
            present(right, holds, names);
        }
        _ => {}
    }
}
