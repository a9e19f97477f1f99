//! Texts with values in them: `Order {$order.number} is paid`.

use specql_registry::{Basic, ValueType, scalars::ScalarBase};

use super::{Want, describe, is_interval, is_json, is_text, operators::id_for_ref};
use crate::{
    check::action::ActionChecker,
    diagnostics::rules::{sq0303_type_mismatch as type_mismatch, sq0304_may_be_null as may_be_null},
    model::{
        Expr, ExprKind,
        expr::{ExprType, Literal},
    },
    source::Span,
    syntax::expr::{Ast, AstKind, TextPart},
};

impl ActionChecker<'_> {
    /// The parts, joined.
    pub(super) fn template(&mut self, parts: &[TextPart], span: Span) -> Option<Expr> {
        let checked: Vec<_> = parts
            .iter()
            .map(|part| match part {
                TextPart::Words(words) => {
                    self.warn_of_unfilled(words, span);
                    Some(words_of(words))
                }
                TextPart::Value { path, otherwise } => self.text_of(path, otherwise.as_deref()),
            })
            .collect();
        let mut parts: Vec<Expr> = checked.into_iter().collect::<Option<_>>()?;
        if parts.len() == 1 {
            return parts.pop();
        }
        Some(text(ExprKind::Call { function: "concat", args: parts }, false))
    }

    /// The value of a path as it is written in a text.
    fn text_of(&mut self, path: &Ast, otherwise: Option<&str>) -> Option<Expr> {
        let wanted = Want::optional(ExprType::basic(Basic::Text));
        let value = id_for_ref(self.expression(path, Some(&wanted))?);
        if !has_text(&value.ty) {
            let found = describe(&value.ty, &value);
            return self.report(type_mismatch::in_text(path.span, &found));
        }
        let nullable = value.nullable;
        let value = if is_text(&value.ty) { value } else { text(ExprKind::TextOf(Box::new(value)), nullable) };
        match otherwise {
            None if nullable => self.report(may_be_null::in_text(path.span, &written(path))),
            Some(otherwise) if nullable => {
                Some(text(ExprKind::Call { function: "coalesce", args: vec![value, words_of(otherwise)] }, false))
            }
            _ => Some(value),
        }
    }
}

/// A path as it is written.
fn written(path: &Ast) -> String {
    let AstKind::Path { root, members } = &path.kind else { return String::new() };
    members.iter().fold(format!("${}", root.value), |path, member| format!("{path}.{}", member.value))
}

/// Whether there is one way to write values of the type.
fn has_text(ty: &ExprType) -> bool {
    let point = matches!(ty, ExprType::Value(ValueType::Scalar(scalar)) if scalar.info().base == ScalarBase::Point);
    let composite = matches!(ty, ExprType::Value(ValueType::Composite(_)));
    !(point || composite || is_json(ty) || is_interval(ty) || *ty == ExprType::Null)
}

fn words_of(words: &str) -> Expr {
    text(ExprKind::Literal(Literal::Text(words.to_owned())), false)
}

fn text(kind: ExprKind, nullable: bool) -> Expr {
    Expr { kind, ty: ExprType::basic(Basic::Text), nullable }
}
