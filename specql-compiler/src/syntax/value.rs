//! A YAML value where an expression may stand.
//!
//! One rule holds everywhere (`values`, `set`, `where`, `validate`, the `input` of a call): **a YAML string is an
//! expression; a number, `true`, `false` or `null` is that constant; a sequence or a mapping is a JSON constant, and the
//! strings in it are expressions too, which must be constants.** So a text is quoted twice: `source: "'tok_visa'"`.

use super::expr::{Ast, AstKind, parse};
use crate::{
    diagnostics::{Diagnostic, rules::sq0301_expression_syntax as expression_syntax},
    model::expr::UnaryOp,
    source::yaml::{Node, Value},
};

/// Reads a value.
pub fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    let constant = |kind| Some(Ast { kind, span: node.span, depth: 1 });
    match &node.value {
        Value::Null => constant(AstKind::Null),
        Value::Bool(value) => constant(AstKind::Boolean(*value)),
        Value::Number(text) => number(node, text, diagnostics),
        Value::String(text) => parse(node, text).map_err(|error| diagnostics.push(*error)).ok(),
        Value::Sequence(_) | Value::Mapping(_) => constant(AstKind::Json(json(node, diagnostics)?)),
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

/// A YAML value as a JSON constant.
fn json(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(text) => match serde_json::from_str(text) {
            Ok(number) => Json::Number(number),
            Err(_) => {
                diagnostics.push(not_plain(node, text));
                return None;
            }
        },
        Value::String(text) => match parse(node, text) {
            Ok(Ast { kind: AstKind::Text(text), .. }) => Json::String(text),
            Ok(Ast { kind: AstKind::Boolean(value), .. }) => Json::Bool(value),
            Ok(Ast { kind: AstKind::Null, .. }) => Json::Null,
            Ok(ast) => {
                let message = "inside a list or a mapping only constants are supported yet";
                diagnostics.push(
                    expression_syntax::error(ast.span, message)
                        .help("put a text in single quotes inside the YAML string: `\"'text'\"`"),
                );
                return None;
            }
            Err(error) => {
                diagnostics.push(*error);
                return None;
            }
        },
        Value::Sequence(elements) => {
            let read: Vec<_> = elements.iter().map(|element| json(element, diagnostics)).collect();
            Json::Array(read.into_iter().collect::<Option<_>>()?)
        }
        Value::Mapping(entries) => {
            let read: Vec<_> =
                entries.iter().map(|entry| Some((entry.key.clone(), json(&entry.value, diagnostics)?))).collect();
            Json::Object(read.into_iter().collect::<Option<_>>()?)
        }
    })
}
