//! Making a value fit where it is wanted.

use specql_registry::{Basic, ValueType, scalars::ScalarBase};

use super::{
    constant, describe, describe_type, describe_value, is_basic, is_constant, is_integer, is_interval, is_money,
    is_number, is_text, is_uuid, key_of, public_id,
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0303_type_mismatch as type_mismatch, sq0304_may_be_null as may_be_null, sq0405_input_type as input_type,
        },
    },
    model::{
        Expr, ExprKind,
        expr::{ExprType, Literal},
    },
    source::Span,
};

/// What is wanted of a value.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    /// Its type.
    pub ty: ExprType,
    /// It must not be NULL.
    pub required: bool,
    /// What it is for.
    pub place: Place,
}

/// What a value is for.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// An operand, a condition.
    Operand,
    /// A field of an entity: its name.
    Field(String),
    /// An input of an operation: `stripe.create_charge`, and the input's name. The worker checks it again.
    CallInput(String, String),
    /// An argument of a declared function: the function's name, and the parameter's.
    Argument(String, String),
    /// A setting of a call that is kept as text: its key.
    Text(&'static str),
}

impl Place {
    /// The place of a member of the value.
    fn member(&self, member: &str) -> Self {
        let joined = |name: &str| format!("{name}.{member}");
        match self {
            Self::Field(name) => Self::Field(joined(name)),
            Self::CallInput(operation, name) => Self::CallInput(operation.clone(), joined(name)),
            Self::Argument(function, name) => Self::Argument(function.clone(), joined(name)),
            Self::Operand | Self::Text(_) => self.clone(),
        }
    }
}

impl Want {
    /// What is wanted of a member of the value.
    #[must_use]
    pub(super) fn member(&self, member: &str, ty: ExprType, required: bool) -> Self {
        Self { ty, required, place: self.place.member(member) }
    }

    /// A value that may be NULL, as an operand.
    #[must_use]
    pub(crate) const fn optional(ty: ExprType) -> Self {
        Self { ty, required: false, place: Place::Operand }
    }

    /// A value for a setting that is kept as text.
    #[must_use]
    pub(crate) const fn text(key: &'static str) -> Self {
        Self { ty: ExprType::basic(Basic::Text), required: false, place: Place::Text(key) }
    }

    /// The field or input, for the message of a row that does not exist.
    fn name(&self) -> &str {
        match &self.place {
            Place::Operand => "id",
            Place::Field(name) | Place::CallInput(_, name) | Place::Argument(_, name) => name,
            Place::Text(key) => key,
        }
    }

    /// The same for a part of the value (a branch of a `CASE`).
    #[must_use]
    pub(super) fn part(&self) -> Self {
        Self { required: false, ..self.clone() }
    }
}

/// `expr` as a value that `want` accepts.
pub(super) fn fit(expr: Expr, want: &Want, span: Span) -> Result<Expr, Box<Diagnostic>> {
    let expr = fit_type(expr, want, span)?;
    if want.required && expr.nullable {
        let what = match &want.place {
            Place::Field(name) => format!("the field `{name}`"),
            Place::CallInput(operation, name) => format!("the input `{name}` of `{operation}`"),
            Place::Argument(function, name) => format!("the argument `{name}` of `{function}`"),
            Place::Operand | Place::Text(_) => "a value".to_owned(),
        };
        return Err(Box::new(may_be_null::error(span, &what)));
    }
    Ok(expr)
}

fn fit_type(expr: Expr, want: &Want, span: Span) -> Result<Expr, Box<Diagnostic>> {
    if expr.ty == ExprType::Null {
        return Ok(Expr { ty: want.ty.clone(), ..expr });
    }
    if let (ExprKind::Literal(constant), true) = (&expr.kind, is_constant(&expr)) {
        return fit_constant(constant.clone(), expr, want, span);
    }
    if expr.ty == want.ty || widens(&expr, want) || (is_interval(&expr.ty) && is_interval(&want.ty)) {
        return Ok(expr);
    }
    match (&expr.ty, &want.ty) {
        (ExprType::Value(_), ExprType::Ref(target)) if is_uuid(&expr.ty) => Ok(key_of(*target, expr, want.name())),
        (ExprType::Ref(_), ty) if is_uuid(ty) || is_basic(ty, Basic::Text) || is_basic(ty, Basic::Json) => {
            Ok(public_id(expr))
        }
        _ => Err(mismatch(&expr, want, span)),
    }
}

/// A constant takes the type that is wanted, if it is one of its values.
fn fit_constant(constant: Literal, expr: Expr, want: &Want, span: Span) -> Result<Expr, Box<Diagnostic>> {
    match &want.ty {
        ExprType::Ref(target) => {
            let ExprType::Value(uuid) = ExprType::uuid() else { return Err(mismatch(&expr, want, span)) };
            match constant::adapt(&constant, &uuid, span) {
                Some(id) => {
                    let id = Expr { kind: ExprKind::Literal(id?), ty: ExprType::Value(uuid), nullable: false };
                    Ok(key_of(*target, id, want.name()))
                }
                None => Err(mismatch(&expr, want, span)),
            }
        }
        ExprType::Value(ty) => match constant::adapt(&constant, ty, span) {
            Some(adapted) => Ok(Expr { kind: ExprKind::Literal(adapted?), ty: want.ty.clone(), nullable: false }),
            None if widens(&expr, want) => Ok(expr),
            None => Err(mismatch(&expr, want, span)),
        },
        ExprType::Interval | ExprType::Null => Err(mismatch(&expr, want, span)),
    }
}

/// Whether every value of the expression is one of the wanted type, or is turned into one by the statement itself.
fn widens(expr: &Expr, want: &Want) -> bool {
    let (from, to) = (&expr.ty, &want.ty);
    let (ExprType::Value(found), ExprType::Value(wanted)) = (from, to) else { return false };
    match (found, wanted) {
        _ if matches!(want.place, Place::Text(_)) => !found.is_structured(),
        (_, ValueType::Basic(Basic::Json)) => matches!(want.place, Place::CallInput(..)),
        // The worker checks a call's input against the schema, so JSON may hold what only it can tell.
        (ValueType::Basic(Basic::Json), ValueType::Object(_) | ValueType::List(_)) => {
            let other = match wanted {
                ValueType::Object(_) => matches!(expr.kind, ExprKind::List(_) | ExprKind::Each(_)),
                _ => matches!(expr.kind, ExprKind::Object { .. }),
            };
            matches!(want.place, Place::CallInput(..)) && !other
        }
        (ValueType::Enum(found), ValueType::Enum(wanted)) => found.iter().all(|member| wanted.contains(member)),
        _ if is_text(from) || is_uuid(from) => text_widens(expr, wanted),
        _ if is_number(from) && is_number(to) => number_widens(from, to),
        _ => false,
    }
}

/// Text that is known to be anything fits no narrower type; what is computed, or comes from a service, has no place where it
/// could have been declared, and is checked when the statement runs.
fn text_widens(expr: &Expr, wanted: &ValueType) -> bool {
    match wanted {
        ValueType::Basic(Basic::Text) => true,
        ValueType::Scalar(scalar) if scalar.info().base == ScalarBase::Text => {
            is_basic(&expr.ty, Basic::Text)
                && !matches!(
                    expr.kind,
                    ExprKind::Column { .. }
                        | ExprKind::VarColumn { .. }
                        | ExprKind::Follow { .. }
                        | ExprKind::Member { .. }
                        | ExprKind::Input(_)
                )
        }
        _ => false,
    }
}

fn number_widens(from: &ExprType, to: &ExprType) -> bool {
    let rank = |ty: &ExprType| match ty {
        ExprType::Value(ValueType::Basic(Basic::Integer)) => 0,
        ExprType::Value(ValueType::Basic(Basic::Bigint)) => 1,
        ExprType::Value(ValueType::Basic(Basic::Float)) => 3,
        _ => 2,
    };
    let money_and_integer = is_money(to) && is_integer(from);
    rank(from) <= rank(to) && !money_and_integer
}

fn mismatch(expr: &Expr, want: &Want, span: Span) -> Box<Diagnostic> {
    let (wanted, found) = (describe_type(&want.ty), describe(&expr.ty, expr));
    let diagnostic = match &want.place {
        Place::CallInput(operation, name) => input_type::error(span, operation, name, &wanted, &found),
        Place::Field(name) => type_mismatch::field(span, name, &wanted, &found),
        Place::Operand | Place::Text(_) | Place::Argument(..) => type_mismatch::error(span, &wanted, &found),
    };
    Box::new(match help(expr, want) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    })
}

/// What would be right, where that can be told.
fn help(expr: &Expr, want: &Want) -> Option<String> {
    let (from, to) = (&expr.ty, &want.ty);
    if is_money(from) && is_integer(to) {
        return Some("money is in major units: `minor_units(amount, currency)` makes an integer of it".to_owned());
    }
    if is_integer(from) && is_money(to) {
        return Some("an integer may be minor units: divide it, as in `total / 100.0`".to_owned());
    }
    if matches!(expr.kind, ExprKind::OfRows(_)) && is_basic(from, Basic::Bigint) && is_basic(to, Basic::Integer) {
        return Some("rows can be more than an integer counts: declare it as `bigint`".to_owned());
    }
    match to {
        ExprType::Value(ty @ ValueType::Scalar(_)) if is_basic(from, Basic::Text) && is_text(to) => {
            Some(format!("give it the type `{}` where it is declared", describe_value(ty)))
        }
        ExprType::Value(ValueType::Basic(Basic::Boolean)) if matches!(expr.kind, ExprKind::Literal(_)) => {
            Some("write `true` or `false`, without quotes".to_owned())
        }
        ExprType::Value(ValueType::Basic(Basic::Boolean)) => Some("write a comparison, such as `total > 0`".to_owned()),
        ExprType::Value(ValueType::Basic(Basic::Text)) if is_number(from) => {
            Some("`concat(…)` makes a text of it".to_owned())
        }
        _ => None,
    }
}
