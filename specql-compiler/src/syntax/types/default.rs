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
        yaml::{self, Node, Value},
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
        DefaultValue::Word(word) if matches!(ty, ValueType::Basic(Basic::Json)) => json_text(word, default.span)?,
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
            _ => bad_default(span, format!("the default does not fit its type{place}: {}", error.problem))
                .maybe_help(json.as_str().and_then(without_underscores).map(|digits| format!("write {digits}"))),
        })
    })
}

/// `1000` of `1_000`, which some languages take for a number.
fn without_underscores(text: &str) -> Option<String> {
    let digits = text.replace('_', "");
    (digits != text && serde_json::from_str::<serde_json::Number>(&digits).is_ok()).then_some(digits)
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
        _ => word.into(),
    }
}

/// The JSON behind `=`, read with the rules of the file itself: a second key, or a number with two readings, is refused.
fn json_text(text: &str, span: Span) -> Result<Json, Box<Diagnostic>> {
    let (documents, found) = yaml::read(span.file, text);
    match (documents.as_slice(), found.first()) {
        ([node], None) => json_of(&ValueType::Basic(Basic::Json), node).map_err(|mut diagnostic| {
            diagnostic.span = span;
            diagnostic
        }),
        (_, found) => {
            let why = found.map_or("one value is wanted", |found| found.message.as_str());
            let diagnostic = bad_default(span, format!("the default is no JSON: {why}"));
            Err(Box::new(diagnostic.help("write it as a YAML value of its own: `{type: json, default: …}`")))
        }
    }
}

/// A number within JSON. It is kept in 64 bits, and must be the same number there.
fn exact(digits: &str, span: Span) -> Result<Json, Box<Diagnostic>> {
    let plain = |text: &str| match text.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{}", fraction.trim_end_matches('0')),
        None => format!("{text}."),
    };
    match serde_json::from_str::<serde_json::Number>(digits) {
        Ok(number) if plain(&number.to_string()) == plain(digits) => Ok(Json::Number(number)),
        _ => {
            let diagnostic = bad_default(span, format!("the number {digits} does not fit 64 bits"));
            Err(Box::new(diagnostic.help(format!("write it as a text: \"{digits}\""))))
        }
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
            ValueType::Basic(Basic::Json) => exact(digits, node.span)?,
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
                    ValueType::Composite(composite) => {
                        composite.schema().fields.get(&entry.key).map_or(&json, |field| &field.ty)
                    }
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
        ValueType::Decimal(_) | ValueType::Composite(_) | ValueType::List(_) | ValueType::Object(_) => false,
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
    let help = match without_underscores(text) {
        Some(digits) => Some(format!("write {digits}")),
        None => is_value.then(|| format!("write {text} without quotes")),
    };
    Box::new(diagnostic.maybe_help(help))
}
