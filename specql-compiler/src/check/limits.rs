//! `min:`, `max:` and `pattern:` of a field.

use super::{
    expr::adapt,
    pattern::{self, Unreadable},
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0112_bad_default as bad_default, sq0141_invalid_option as invalid_option},
    },
    model::{
        Expr, ExprKind, FieldType,
        expr::Literal,
        limits::{Limits, is_number, is_text},
    },
    source::{
        Spanned,
        yaml::{Node, Value},
    },
    syntax::entity::FieldSyntax,
};

/// The limits of a field of this type, which its default keeps to.
pub(super) fn check(
    written: &FieldSyntax,
    ty: &FieldType,
    default: Option<&Expr>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Limits {
    let mut limits = Limits::default();
    for (key, node, limit) in [("min", &written.min, &mut limits.min), ("max", &written.max, &mut limits.max)] {
        *limit = node.as_ref().and_then(|node| number(key, node, ty, diagnostics));
    }
    if let (Some(min), Some(max), Some(node)) = (&limits.min, &limits.max, &written.max)
        && value(min) > value(max)
    {
        let message = format!("no number is at least {min} and at most {max}");
        diagnostics.push(invalid_option::error(node.span, message, "exchange them"));
    }
    limits.pattern = written.pattern.as_ref().and_then(|text| pattern(text, ty, diagnostics));
    if let Some(Expr { kind: ExprKind::Literal(literal), .. }) = default
        && let Some(reason) = refuses(&limits, literal)
    {
        diagnostics.push(bad_default::bad_default(
            written.name.span,
            format!("the default is outside of the limits: {reason}"),
        ));
    }
    limits
}

fn number(key: &str, node: &Node, ty: &FieldType, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let FieldType::Value(ty) = ty else {
        diagnostics.push(invalid_option::error(node.span, format!("a reference has no `{key}`"), "leave it out"));
        return None;
    };
    if !is_number(ty) {
        let message = format!("`{key}` is of numbers, and this field's type is {ty}");
        let help = "leave it out; a text has a `pattern:`, and other rules are `checks:` of the entity";
        diagnostics.push(invalid_option::error(node.span, message, help));
        return None;
    }
    let Value::Number(digits) = &node.value else {
        diagnostics.push(invalid_option::error(
            node.span,
            format!("`{key}` is a number"),
            "write it in decimal digits",
        ));
        return None;
    };
    let literal = if digits.contains('.') { Literal::Decimal } else { Literal::Integer };
    match adapt(&literal(digits.clone()), ty, node.span) {
        Some(Ok(_)) => Some(digits.clone()),
        Some(Err(error)) => {
            diagnostics.push(*error);
            None
        }
        None => {
            let message = format!("`{digits}` is no value of the type {ty}");
            diagnostics.push(invalid_option::error(node.span, message, "write a number of that type"));
            None
        }
    }
}

fn pattern(text: &Spanned<String>, ty: &FieldType, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    if !matches!(ty, FieldType::Value(ty) if is_text(ty)) {
        diagnostics.push(invalid_option::error(text.span, "only a text has a `pattern`", "leave it out"));
        return None;
    }
    if let Err(reason) = pattern::check(&text.value) {
        let help = match &reason {
            Unreadable::ReadOtherwise(_) => {
                "use classes such as `[0-9]`, `\\d` and `\\w`, repetitions up to 255, groups `(…)` and `(?:…)`, `|`, `^` and `$`"
            }
            Unreadable::NotOne(_) => "classes, repetitions, groups, `|`, `^` and `$` mean what they mean everywhere",
        };
        diagnostics.push(invalid_option::error(text.span, reason.message(), help));
        return None;
    }
    Some(text.value.clone())
}

/// Why a constant is outside of the limits.
fn refuses(limits: &Limits, literal: &Literal) -> Option<String> {
    match literal {
        Literal::Integer(digits) | Literal::Decimal(digits) => {
            let least = limits.min.as_ref().filter(|min| value(digits) < value(min));
            let most = limits.max.as_ref().filter(|max| value(digits) > value(max));
            least.map(|min| format!("it is at least {min}")).or(most.map(|max| format!("it is at most {max}")))
        }
        Literal::Text(text) => {
            let pattern = limits.pattern.as_ref()?;
            let fits = regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
            (!fits).then(|| format!("it matches `{pattern}`"))
        }
        _ => None,
    }
}

/// Exact enough to compare what people write: PostgreSQL compares the digits.
fn value(digits: &str) -> f64 {
    digits.parse().unwrap_or(f64::NAN)
}
