//! `count(Order WHERE …)`, `sum(Order.total WHERE …)`: the entity, the condition over its rows, and the type of what comes out.

use specql_registry::{Basic, ValueType, scalars::ScalarBase};

use super::{boolean, describe_type, is_interval, is_money, is_number, is_text};
use crate::{
    check::action::ActionChecker,
    diagnostics::rules::{sq0303_type_mismatch as type_mismatch, sq0311_no_other_rows as no_other_rows},
    model::{
        Expr, ExprKind,
        expr::{ExprType, OfRows, RowsFunction},
    },
    source::Span,
    syntax::expr::OfRowsSyntax,
};

impl ActionChecker<'_> {
    /// In its condition, bare names are columns of the rows that are gone through; `$name` is what it is around the call.
    pub(super) fn rows_of(&mut self, written: &OfRowsSyntax, span: Span) -> Option<Expr> {
        let function = written.function;
        if self.row_alone {
            return self.report(no_other_rows::error(span, function.name()));
        }
        let entity = self.project.find_entity(&written.entity.value, written.entity.span, &mut self.diagnostics)?;
        let value = match &written.field {
            Some(field) => {
                self.project.expect_column(entity, &field.value, field.span, &mut self.diagnostics)?;
                Some((self.in_statement(entity, |checker| checker.bare_name(&field.value, field.span))?, field.span))
            }
            None => None,
        };
        let condition = match &written.condition {
            Some(condition) => Some(self.in_statement(entity, |checker| checker.condition(condition))?),
            None => None,
        };
        let ty = match &value {
            None if function == RowsFunction::Count => ExprType::basic(Basic::Bigint),
            None => ExprType::basic(Basic::Boolean),
            Some((value, span)) => match result_type(function, &value.ty) {
                Some(ty) => ty,
                None => {
                    let error = type_mismatch::error(*span, wanted(function), &describe_type(&value.ty));
                    return self.report(error);
                }
            },
        };
        let value = value.map(|(value, _)| value);
        let kind = ExprKind::OfRows(Box::new(OfRows { function, entity, value, condition }));
        if ty == ExprType::basic(Basic::Boolean) {
            return Some(boolean(false, kind));
        }
        Some(Expr { kind, ty, nullable: !function.is_of_whole_rows() })
    }
}

/// What a field must be, in words.
const fn wanted(function: RowsFunction) -> &'static str {
    match function {
        RowsFunction::Min | RowsFunction::Max => "a field of numbers, texts, dates or times",
        _ => "a field of numbers or lengths of time",
    }
}

/// The type that PostgreSQL gives the result; `None` where it has none.
fn result_type(function: RowsFunction, of: &ExprType) -> Option<ExprType> {
    if matches!(function, RowsFunction::Min | RowsFunction::Max) {
        return has_order(of).then(|| of.clone());
    }
    if is_interval(of) {
        return Some(ExprType::Interval);
    }
    let is = |basic| *of == ExprType::basic(basic);
    match of {
        _ if !is_number(of) => None,
        // As with `+` and `/`.
        _ if is_money(of) || is(Basic::Float) => Some(of.clone()),
        _ if is(Basic::Integer) && function == RowsFunction::Sum => Some(ExprType::basic(Basic::Bigint)),
        _ => Some(ExprType::Value(ValueType::Decimal(None))),
    }
}

/// Whether PostgreSQL finds the least of such values.
fn has_order(ty: &ExprType) -> bool {
    is_number(ty)
        || is_text(ty)
        || is_interval(ty)
        || match ty {
            ExprType::Value(ValueType::Basic(Basic::Timestamp)) => true,
            ExprType::Value(ValueType::Scalar(scalar)) => {
                matches!(scalar.info().base, ScalarBase::Date | ScalarBase::Time)
            }
            _ => false,
        }
}
