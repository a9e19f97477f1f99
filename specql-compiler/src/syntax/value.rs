//! A YAML value where an expression may stand.
//!
//! One rule holds everywhere (`values`, `set`, `where`, `validate`, the `input` of a call): **a YAML string is an
//! expression; a number, `true`, `false` or `null` is that constant; a sequence or a mapping is a list or an object, and the
//! strings in it are expressions too.** So a text is quoted twice: `source: "'tok_visa'"`.

use super::expr::{self, Ast, AstKind, parse};
use crate::{
    diagnostics::{Diagnostic, rules::sq0301_expression_syntax as expression_syntax},
    model::expr::UnaryOp,
    source::{
        Spanned,
        yaml::{Node, Value},
    },
};

/// Reads a value.
pub fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    let constant = |kind| Some(Ast { kind, span: node.span, depth: 1 });
    match &node.value {
        Value::Null => constant(AstKind::Null),
        Value::Bool(value) => constant(AstKind::Boolean(*value)),
        Value::Number(text) => number(node, text, diagnostics),
        Value::String(text) => parse(node, text).map_err(|error| diagnostics.push(*error)).ok(),
        Value::Sequence(_) | Value::Mapping(_) => structure(node, diagnostics),
    }
}

/// A plain YAML number.
fn number(node: &Node, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        diagnostics.push(not_plain(node, text));
        return None;
    }
    let positive = Ast { kind: AstKind::Number(digits.to_owned()), span: node.span, depth: 1 };
    if digits.len() == text.len() {
        return Some(positive);
    }
    Some(Ast { kind: AstKind::Unary(UnaryOp::Negate, Box::new(positive)), span: node.span, depth: 2 })
}

fn not_plain(node: &Node, text: &str) -> Diagnostic {
    expression_syntax::error(node.span, format!("`{text}` is not a number in plain decimal digits"))
        .help("write it out, such as `1500` or `0.25`")
}

/// A sequence or a mapping: a JSON constant where all in it is constant.
fn structure(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    if let Some(json) = json(node) {
        return Some(Ast { kind: AstKind::Json(json), span: node.span, depth: 1 });
    }
    let kind = match &node.value {
        Value::Sequence(elements) => {
            let read: Vec<_> = elements.iter().map(|element| read(element, diagnostics)).collect();
            AstKind::List(read.into_iter().collect::<Option<_>>()?)
        }
        Value::Mapping(entries) => {
            let read: Vec<_> = entries
                .iter()
                .map(|entry| {
                    let name = Spanned { value: entry.key.clone(), span: entry.key_span };
                    Some((name, read(&entry.value, diagnostics)?))
                })
                .collect();
            AstKind::Object(read.into_iter().collect::<Option<_>>()?)
        }
        _ => return read(node, diagnostics),
    };
    expr::structure(kind, node.span).map_err(|error| diagnostics.push(*error)).ok()
}

/// A YAML value as a JSON constant; `None` where it holds an expression.
fn json(node: &Node) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(text) => Json::Number(serde_json::from_str(text).ok()?),
        Value::String(text) => match parse(node, text).ok()?.kind {
            AstKind::Text(text) => Json::String(text),
            AstKind::Boolean(value) => Json::Bool(value),
            AstKind::Null => Json::Null,
            _ => return None,
        },
        Value::Sequence(elements) => Json::Array(elements.iter().map(json).collect::<Option<_>>()?),
        Value::Mapping(entries) => Json::Object(
            entries.iter().map(|entry| Some((entry.key.clone(), json(&entry.value)?))).collect::<Option<_>>()?,
        ),
    })
}
