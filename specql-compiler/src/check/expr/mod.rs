//! Expressions: what a name means, what an operator joins, and which types meet.
//!
//! Checking goes in two directions. `ActionChecker::expression` finds the type of a tree from its parts, and takes along
//! the type that is wanted, if one is: it settles inputs that are not declared, and the branches of a `CASE`.
//! `ActionChecker::value` then makes the result fit: constants take the wanted type and are checked against it,
//! references become keys or ids.

mod constant;
mod dates;
mod fit;
mod functions;
mod names;
mod of_rows;
mod operators;
mod placeholder;
mod sequence;
mod structure;
mod template;

pub(super) use constant::{adapt, duration};
pub(crate) use fit::{Place, Want};
pub(super) use functions::declared_call;
pub(super) use sequence::{takes_number, warn_of_slips};

use specql_registry::{Basic, ValueType, scalars::ScalarBase};

use super::action::ActionChecker;
use crate::{
    diagnostics::rules::{
        sq0301_expression_syntax as expression_syntax, sq0306_invalid_constant as invalid_constant,
        sq0313_misplaced_sequence as misplaced_sequence,
    },
    model::{
        EntityId, Expr, ExprKind, FieldType,
        expr::{ExprType, Literal, UnaryOp},
    },
    source::Span,
    syntax::expr::{Ast, AstKind},
};

impl ActionChecker<'_> {
    /// An expression of whatever type it has. `wanted` helps where the expression itself does not tell.
    pub(super) fn expression(&mut self, ast: &Ast, wanted: Option<&Want>) -> Option<Expr> {
        match &ast.kind {
            AstKind::Null => Some(literal(Literal::Null, ExprType::Null)),
            AstKind::Boolean(value) => Some(literal(Literal::Boolean(*value), ExprType::basic(Basic::Boolean))),
            AstKind::Number(digits) => Some(number(digits.clone())),
            AstKind::Text(text) => {
                self.warn_of_unfilled(text, ast.span);
                Some(literal(Literal::Text(text.clone()), ExprType::basic(Basic::Text)))
            }
            AstKind::Template(parts) => self.template(parts, ast.span),
            AstKind::Interval(text) => match constant::duration(text, ast.span) {
                Ok(seconds) => Some(literal(Literal::Interval(seconds), ExprType::Interval)),
                Err(_) => self.report(invalid_constant::interval(ast.span, text)),
            },
            AstKind::Json(json) => Some(literal(Literal::Json(json.clone()), ExprType::basic(Basic::Json))),
            AstKind::List(elements) => self.list(elements, wanted),
            AstKind::Object(entries) => self.object_of(entries, ast.span, wanted),
            AstKind::Each(each) => self.each(each, wanted),
            AstKind::Name(name) => self.bare_name(name, ast.span),
            AstKind::Path { root, members } => self.path(root, members, ast.span, wanted),
            AstKind::Unary(UnaryOp::Negate, operand) => self.negate(operand, wanted),
            AstKind::Unary(UnaryOp::Not, operand) => {
                let operand = self.condition(operand)?;
                Some(boolean(operand.nullable, ExprKind::Unary(UnaryOp::Not, Box::new(operand))))
            }
            AstKind::Binary(operator, left, right) => self.binary(*operator, left, right, ast.span, wanted),
            AstKind::In { value, list, negated } => self.in_list(value, list, *negated),
            AstKind::Like { value, pattern, any_case, negated } => self.like(value, pattern, *any_case, *negated),
            AstKind::Between { value, low, high, negated } => self.between(value, low, high, *negated),
            AstKind::IsNull { value, negated } => {
                let value = Box::new(self.expression(value, None)?);
                Some(boolean(false, ExprKind::IsNull { value, negated: *negated }))
            }
            AstKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), wanted)
            }
            AstKind::Call { function, args } => self.call_function(function, args, ast.span, wanted),
            AstKind::OfRows(rows) => self.rows_of(rows, ast.span),
        }
    }

    /// An expression that must fit `want`.
    pub(super) fn value(&mut self, ast: &Ast, want: &Want) -> Option<Expr> {
        let expr = self.expression(ast, Some(want))?;
        match fit::fit(expr, want, ast.span) {
            Ok(expr) => Some(expr),
            Err(error) => self.report(*error),
        }
    }

    /// An expression that must be a boolean.
    pub(super) fn condition(&mut self, ast: &Ast) -> Option<Expr> {
        let condition = self.value(ast, &Want::optional(ExprType::basic(Basic::Boolean)))?;
        if sequence::takes_number(&condition) {
            return self.report(misplaced_sequence::condition(ast.span));
        }
        Some(condition)
    }

    fn negate(&mut self, operand: &Ast, wanted: Option<&Want>) -> Option<Expr> {
        let inner = self.expression(operand, wanted)?;
        let sign = |text: &str| text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned);
        match &inner.kind {
            ExprKind::Literal(Literal::Integer(text) | Literal::Decimal(text)) => Some(number(sign(text))),
            _ if is_number(&inner.ty) || is_interval(&inner.ty) => {
                let (ty, nullable) = (inner.ty.clone(), inner.nullable);
                Some(Expr { kind: ExprKind::Unary(UnaryOp::Negate, Box::new(inner)), ty, nullable })
            }
            _ => {
                let message = format!("`-` needs a number, found {}", describe(&inner.ty, &inner));
                self.report(expression_syntax::error(operand.span, message))
            }
        }
    }

    /// Reports an error; what it is about is left out.
    pub(super) fn report<T>(&mut self, diagnostic: crate::diagnostics::Diagnostic) -> Option<T> {
        self.diagnostics.push(diagnostic);
        None
    }
}

/// The type of a field's value in expressions.
pub(in crate::check) fn type_of(field: &FieldType) -> ExprType {
    match field {
        FieldType::Value(ty) => ExprType::Value(ty.clone()),
        FieldType::Ref { target, .. } => ExprType::Ref(*target),
    }
}

/// A number as it is written, of the narrowest type that holds it.
fn number(text: String) -> Expr {
    if text.contains('.') {
        return literal(Literal::Decimal(text), ExprType::Value(ValueType::Decimal(None)));
    }
    let ty = if text.parse::<i32>().is_ok() {
        ValueType::Basic(Basic::Integer)
    } else if text.parse::<i64>().is_ok() {
        ValueType::Basic(Basic::Bigint)
    } else {
        ValueType::Decimal(None)
    };
    literal(Literal::Integer(text), ExprType::Value(ty))
}

fn literal(literal: Literal, ty: ExprType) -> Expr {
    Expr { nullable: literal == Literal::Null, kind: ExprKind::Literal(literal), ty }
}

fn boolean(nullable: bool, kind: ExprKind) -> Expr {
    Expr { kind, ty: ExprType::basic(Basic::Boolean), nullable }
}

/// Whether an expression is a constant whose type is still open.
fn is_constant(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(_)) && expr.ty != ExprType::Interval
}

fn is_number(ty: &ExprType) -> bool {
    match ty {
        ExprType::Value(ValueType::Basic(Basic::Integer | Basic::Bigint | Basic::Float) | ValueType::Decimal(_)) => {
            true
        }
        ExprType::Value(ValueType::Scalar(scalar)) => matches!(scalar.info().base, ScalarBase::Numeric(..)),
        _ => false,
    }
}

fn is_integer(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Value(ValueType::Basic(Basic::Integer | Basic::Bigint)))
}

/// Whether values of the type are amounts of money in major units.
fn is_money(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Value(ValueType::Scalar(scalar)) if scalar.info().name == "money")
}

/// Whether PostgreSQL holds values of the type as TEXT.
pub(super) fn is_text(ty: &ExprType) -> bool {
    match ty {
        ExprType::Value(ValueType::Basic(Basic::Text) | ValueType::Enum(_)) => true,
        ExprType::Value(ValueType::Scalar(scalar)) => scalar.info().base == ScalarBase::Text,
        _ => false,
    }
}

/// Whether values of the type are JSON, or lists.
fn is_json(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Value(ValueType::Basic(Basic::Json) | ValueType::List(_) | ValueType::Object(_)))
}

fn is_uuid(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Value(ValueType::Scalar(scalar)) if scalar.info().base == ScalarBase::Uuid)
}

/// Whether PostgreSQL holds values of the type as INTERVAL.
fn is_interval(ty: &ExprType) -> bool {
    match ty {
        ExprType::Interval => true,
        ExprType::Value(ValueType::Scalar(scalar)) => scalar.info().base == ScalarBase::Interval,
        _ => false,
    }
}

fn is_basic(ty: &ExprType, basic: Basic) -> bool {
    *ty == ExprType::basic(basic)
}

/// A type in words.
#[must_use]
pub(crate) fn describe_value(ty: &ValueType) -> String {
    match ty {
        ValueType::Basic(basic) => basic.name().to_owned(),
        ValueType::Decimal(None) => "decimal".to_owned(),
        ValueType::Decimal(Some((precision, scale))) => format!("decimal({precision}, {scale})"),
        ValueType::Scalar(scalar) => scalar.info().name.to_owned(),
        ValueType::Composite(composite) => composite.info().name.to_owned(),
        ValueType::Enum(members) => format!("enum({})", members.join(", ")),
        ValueType::List(element) => format!("list({})", describe_value(element)),
        ValueType::Object(_) => "an object".to_owned(),
    }
}

/// The type of an expression in words.
pub(super) fn describe_type(ty: &ExprType) -> String {
    match ty {
        ExprType::Value(ty) => describe_value(ty),
        ExprType::Ref(_) => "a reference".to_owned(),
        ExprType::Interval => "an interval".to_owned(),
        ExprType::Null => "NULL".to_owned(),
    }
}

/// What an expression is, for messages: a constant is shown as it stands.
fn describe(ty: &ExprType, expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Literal(Literal::Text(text)) => format!("the text `{}`", text.escape_debug()),
        ExprKind::Literal(Literal::Integer(text) | Literal::Decimal(text)) => format!("the number `{text}`"),
        ExprKind::List(_) | ExprKind::Each(_) if is_basic(ty, Basic::Json) => "a list".to_owned(),
        ExprKind::Object { .. } if is_basic(ty, Basic::Json) => "an object".to_owned(),
        _ => describe_type(ty),
    }
}

/// The public id of what an expression of type [`ExprType::Ref`] points to, in its shortest form.
fn public_id(expr: Expr) -> Expr {
    use crate::model::expr::{ColumnRef, SystemColumn};
    let nullable = expr.nullable;
    let kind = match expr.kind {
        ExprKind::KeyOf { id, .. } => return *id,
        ExprKind::Row(var) => ExprKind::VarColumn { var, column: ColumnRef::System(SystemColumn::Id) },
        _ => ExprKind::PublicId(Box::new(expr)),
    };
    Expr { kind, ty: ExprType::uuid(), nullable }
}

/// The key of the row of `entity` that a UUID names.
fn key_of(entity: EntityId, id: Expr, field: &str) -> Expr {
    let nullable = id.nullable;
    Expr {
        kind: ExprKind::KeyOf { entity, id: Box::new(id), field: field.to_owned() },
        ty: ExprType::Ref(entity),
        nullable,
    }
}

/// From the first of two places to the end of the second.
fn join(first: Span, second: Span) -> Span {
    Span { end: second.end.max(first.end), ..first }
}
