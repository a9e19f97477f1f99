//! Constants: which texts and numbers a type allows.

use specql_registry::{
    Basic, ValueType,
    scalars::{Scalar, ScalarBase},
};

use super::describe_value;
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0306_invalid_constant as invalid_constant, sq0407_call_setting as call_setting},
    },
    model::expr::Literal,
    source::Span,
};

/// What may stand for a time: its unit's names and seconds.
const UNITS: &[(&[&str], u64)] = &[
    (&["s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["h", "hour", "hours"], 3_600),
    (&["d", "day", "days"], 86_400),
    (&["w", "week", "weeks"], 604_800),
];

/// A constant of another form as one of `ty`; `None` where the types do not meet at all.
pub(in crate::check) fn adapt(
    constant: &Literal,
    ty: &ValueType,
    span: Span,
) -> Option<Result<Literal, Box<Diagnostic>>> {
    Some(match (constant, ty) {
        (Literal::Text(text), _) => text_as(text, ty, span)?.map(|()| constant.clone()),
        (Literal::Integer(digits), ValueType::Basic(basic @ (Basic::Integer | Basic::Bigint))) => {
            let fits = match basic {
                Basic::Integer => digits.parse::<i32>().is_ok(),
                _ => digits.parse::<i64>().is_ok(),
            };
            let help =
                format!("the largest is {}", if *basic == Basic::Integer { i64::from(i32::MAX) } else { i64::MAX });
            check(fits, digits, ty, span, &help).map(|()| constant.clone())
        }
        (Literal::Integer(_) | Literal::Decimal(_), ValueType::Basic(Basic::Float)) => Ok(constant.clone()),
        (Literal::Integer(digits) | Literal::Decimal(digits), ValueType::Decimal(limits)) => {
            check_digits(digits, *limits, ty, span).map(|()| constant.clone())
        }
        (Literal::Integer(digits) | Literal::Decimal(digits), ValueType::Scalar(scalar)) => {
            let ScalarBase::Numeric(precision, scale) = scalar.info().base else { return None };
            check_digits(digits, Some((precision, scale)), ty, span)
                .and_then(|()| check_range(digits, *scalar, span))
                .map(|()| constant.clone())
        }
        (Literal::Boolean(_), ValueType::Basic(Basic::Boolean)) => Ok(constant.clone()),
        (Literal::Json(json), _) if ty.is_structured() => ty.check_input(json).map(Literal::Json).map_err(|error| {
            Box::new(invalid_constant::error(span, "this value", &describe_value(ty), error.to_string()))
        }),
        _ => return None,
    })
}

/// Whether a text may stand for a value of `ty`; `None` where it never can.
fn text_as(text: &str, ty: &ValueType, span: Span) -> Option<Result<(), Box<Diagnostic>>> {
    Some(match ty {
        ValueType::Basic(Basic::Text) => Ok(()),
        ValueType::Basic(Basic::Timestamp) => {
            check(ty.check_input(&text.into()).is_ok(), text, ty, span, "write it as `2026-01-31T12:00:00Z`")
        }
        ValueType::Enum(members) if members.iter().any(|member| member == text) => Ok(()),
        ValueType::Enum(members) => Err(Box::new(invalid_constant::member(span, text, members))),
        ValueType::Scalar(scalar) => {
            let info = scalar.info();
            if matches!(info.base, ScalarBase::Numeric(..) | ScalarBase::Point) {
                return None;
            }
            let fits = ty.check_input(&text.into()).is_ok();
            check(fits, text, ty, span, &format!("{}, such as `{}`", info.doc, info.example))
        }
        _ => return None,
    })
}

fn check(fits: bool, text: &str, ty: &ValueType, span: Span, help: &str) -> Result<(), Box<Diagnostic>> {
    if fits { Ok(()) } else { Err(Box::new(invalid_constant::error(span, text, &describe_value(ty), help))) }
}

fn check_digits(digits: &str, limits: Option<(u16, u16)>, ty: &ValueType, span: Span) -> Result<(), Box<Diagnostic>> {
    let Some((precision, scale)) = limits else { return Ok(()) };
    let unsigned = digits.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = whole.trim_start_matches('0').len();
    let fraction = fraction.trim_end_matches('0').len();
    let most = usize::from(precision.saturating_sub(scale));
    let fits = whole <= most && fraction <= usize::from(scale);
    check(fits, digits, ty, span, &format!("it has at most {most} digits before the point and {scale} behind it"))
}

fn check_range(digits: &str, scalar: Scalar, span: Span) -> Result<(), Box<Diagnostic>> {
    let (least, most) = scalar.info().range;
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    let too_small = least.is_some_and(|least| number(digits) < number(least));
    let too_large = most.is_some_and(|most| number(digits) > number(most));
    let help = match (least, most) {
        (Some(least), Some(most)) => format!("it is from {least} to {most}"),
        (Some(least), None) => format!("it is at least {least}"),
        (None, Some(most)) => format!("it is at most {most}"),
        (None, None) => String::new(),
    };
    check(!too_small && !too_large, digits, &ValueType::Scalar(scalar), span, &help)
}

/// `10 minutes`, `1 day 2 hours`, `30s`: in seconds. Months and years have no fixed length and are refused.
pub(in crate::check) fn duration(text: &str, span: Span) -> Result<i64, Box<Diagnostic>> {
    let error = || Box::new(call_setting::duration(span, text));
    let mut rest = text.trim();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let unit = unit.to_ascii_lowercase();
        let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&unit.as_str())).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        total = number.checked_mul(*seconds).and_then(|part| total.checked_add(part)).ok_or_else(error)?;
        rest = after.trim_start();
    }
    match i64::try_from(total) {
        Ok(seconds) if !text.trim().is_empty() && seconds <= MAX_SECONDS => Ok(seconds),
        _ => Err(error()),
    }
}

/// Ten years: longer waits are mistakes, and PostgreSQL's timestamps end.
const MAX_SECONDS: i64 = 10 * 366 * 86_400;
