//! Constants against their type: defaults of fields and of schemas.
//!
//! One rule for quotes: what a type calls text (`text`, scalars of text, enums, dates) is a word or a quoted text; what it
//! calls a number or a boolean is never quoted.

use serde_json::{Map, Value as Json};
use specql_registry::{Basic, ValueType, scalars::ScalarBase};

use super::{DefaultSyntax, DefaultValue};
use crate::{
    diagnostics::{Diagnostic, help_for, rules::sq0112_bad_default::bad_default},
    source::{
        Span,
        yaml::{Node, Value},
    },
};

/// The default as JSON, when it is a value of the type: numbers as JSON numbers, but decimals (`decimal`, `money`) as JSON
/// strings, digit for digit.
///
/// # Errors
/// Why it is none.
pub fn check_default(ty: &ValueType, default: &DefaultSyntax) -> Result<Json, Box<Diagnostic>> {
    let json = match &default.value {
        DefaultValue::Yaml(node) => return check_default_node(ty, node),
        DefaultValue::Quoted(text) if !is_textual(ty) => return Err(no_quotes(ty, text, default.span)),
        DefaultValue::Quoted(text) => Json::String(text.clone()),
        DefaultValue::Word(word) => word_as(ty, word),
    };
    fits(ty, &json, default.span)
}

/// [`check_default`] for a default that is a YAML value of its own: `{type: integer, default: 10}`.
///
/// # Errors
/// Why it is none.
pub fn check_default_node(ty: &ValueType, node: &Node) -> Result<Json, Box<Diagnostic>> {
    let json = json_of(ty, node)?;
    fits(ty, &json, node.span)
}

fn fits(ty: &ValueType, json: &Json, span: Span) -> Result<Json, Box<Diagnostic>> {
    if json.is_null() && !matches!(ty, ValueType::Basic(Basic::Json)) {
        let diagnostic = bad_default(span, "`null` is no default".to_owned());
        return Err(Box::new(diagnostic.help("leave the default out: a field that is not required is null then")));
    }
    ty.check_input(json).map_err(|error| {
        let place = error.path.strip_prefix('$').filter(|path| !path.is_empty());
        let place = place.map(|path| format!(" at `{path}`")).unwrap_or_default();
        Box::new(match (ty, json) {
            (ValueType::Enum(values), Json::String(given)) => {
                bad_default(span, format!("the default `{}` is not one of the enum's values", given.escape_debug()))
                    .maybe_help(help_for(given, values.iter().map(String::as_str)))
            }
            _ => bad_default(span, format!("the default does not fit its type{place}: {}", error.problem)),
        })
    })
}

/// What a bare word means where this type is wanted. What it cannot mean is left to [`fits`].
fn word_as(ty: &ValueType, word: &str) -> Json {
    let number = || serde_json::from_str::<serde_json::Number>(word).map_or_else(|_| word.into(), Json::Number);
    if word == "null" {
        return Json::Null;
    }
    match ty {
        ValueType::Basic(Basic::Integer | Basic::Bigint | Basic::Float) => number(),
        ValueType::Basic(Basic::Boolean) => match word {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => word.into(),
        },
        ValueType::Basic(Basic::Json) => serde_json::from_str(word).unwrap_or_else(|_| word.into()),
        _ => word.into(),
    }
}

/// A YAML value as JSON, decimals as text. Recursion is bounded by the reader's depth.
fn json_of(ty: &ValueType, node: &Node) -> Result<Json, Box<Diagnostic>> {
    Ok(match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(digits) => match ty {
            ValueType::Decimal(_) => digits.as_str().into(),
            ValueType::Scalar(scalar) if matches!(scalar.info().base, ScalarBase::Numeric(..)) => {
                digits.as_str().into()
            }
            _ => serde_json::from_str(digits).unwrap_or_else(|_| digits.as_str().into()),
        },
        Value::String(text) if is_textual(ty) || matches!(ty, ValueType::Basic(Basic::Json)) => text.as_str().into(),
        Value::String(text) => return Err(no_quotes(ty, text, node.span)),
        Value::Sequence(items) => {
            let json = ValueType::Basic(Basic::Json);
            let item_type = if let ValueType::List(item) = ty { item } else { &json };
            Json::Array(items.iter().map(|item| json_of(item_type, item)).collect::<Result<_, _>>()?)
        }
        Value::Mapping(entries) => {
            let json = ValueType::Basic(Basic::Json);
            let mut members = Map::new();
            for entry in entries {
                let field = match ty {
                    ValueType::Object(schema) => schema.fields.get(&entry.key).map_or(&json, |field| &field.ty),
                    _ => &json,
                };
                members.insert(entry.key.clone(), json_of(field, &entry.value)?);
            }
            Json::Object(members)
        }
    })
}

fn is_textual(ty: &ValueType) -> bool {
    match ty {
        ValueType::Basic(basic) => matches!(basic, Basic::Text | Basic::Timestamp | Basic::Json),
        ValueType::Scalar(scalar) => !matches!(scalar.info().base, ScalarBase::Numeric(..) | ScalarBase::Point),
        ValueType::Enum(_) => true,
        ValueType::Decimal(_) | ValueType::List(_) | ValueType::Object(_) => false,
    }
}

fn no_quotes(ty: &ValueType, text: &str, span: Span) -> Box<Diagnostic> {
    let diagnostic = bad_default(
        span,
        format!("the default does not fit its type: expected {}, got the text `{text}`", ty.describe()),
    );
    let is_value = match word_as(ty, text) {
        Json::String(_) => {
            matches!(ty, ValueType::Decimal(_) | ValueType::Scalar(_)) && ty.check_input(&text.into()).is_ok()
        }
        other => ty.check_input(&other).is_ok(),
    };
    Box::new(diagnostic.maybe_help(is_value.then(|| format!("write {text} without quotes"))))
}
