//! A YAML value, and whether its text is meant as it is or as an expression. That goes by where it stands:
//!
//! | place | plain text | text in quotes, block scalar |
//! |---|---|---|
//! | a value: `values`, `set`, the `input` of a call or a schedule, `idempotency_key`, … | expression | text with `{$path}` in it |
//! | a clause: `validate`, `if`, `where`, … | expression | expression |
//! | prose: `message` | text with `{$path}` in it | the same |
//!
//! A number, `true`, `false` or `null` is that constant. A sequence or a mapping is a list or an object of values;
//! `{$expr: "…"}` is an expression that YAML would cut if it were plain, and `{$for: x in …, $each: …}` a list with a value for
//! each `x`.

use super::{
    expr::{self, Ast, AstKind, EachSyntax, UnaryOp, parse, parse_foreach, parse_text},
    keys,
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0301_expression_syntax as expression_syntax, sq0309_quoted_expression as quoted_expression,
            sq0408_list_of_each as list_of_each,
        },
    },
    source::{
        Spanned,
        yaml::{Entry, Node, Value},
    },
};

/// The only key of a mapping that stands for an expression.
const EXPRESSION: &str = "$expr";

/// The two keys of a mapping that stands for a list with a value for each element of another, or for each row.
const FOR: &str = "$for";
const EACH: &str = "$each";

/// Reads what stands at the place of a value.
pub fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    match &node.value {
        Value::String(text) if node.quoted => {
            warn_of_expression(node, text, diagnostics);
            parse_text(node, text).map_err(|error| diagnostics.push(*error)).ok()
        }
        Value::String(text) => plain(node, text).map_err(|error| diagnostics.push(*error)).ok(),
        Value::Mapping(entries) => match expression_in(entries) {
            Some(inner) => clause(inner, diagnostics),
            None if is_each(entries) => each(node, entries, diagnostics),
            None => structure(node, diagnostics),
        },
        Value::Sequence(_) => structure(node, diagnostics),
        _ => constant(node, diagnostics),
    }
}

/// Reads what stands at the place of a clause: its text is an expression, in quotes or not.
pub fn clause(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    match &node.value {
        Value::String(text) => parse(node, text).map_err(|error| diagnostics.push(*error)).ok(),
        Value::Sequence(_) | Value::Mapping(_) => read(node, diagnostics),
        _ => constant(node, diagnostics),
    }
}

/// Reads prose: a text with `{$path}` in it, in quotes or not.
pub fn prose(node: &Node, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    let text = keys::text(node, key, diagnostics)?;
    parse_text(node, &text.value).map_err(|error| diagnostics.push(*error)).ok()
}

/// What `{$expr: …}` holds.
fn expression_in(entries: &[Entry]) -> Option<&Node> {
    match entries {
        [only] if only.key == EXPRESSION => Some(&only.value),
        _ => None,
    }
}

/// Whether a mapping stands for a list, or was meant to.
fn is_each(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| [FOR, EACH].contains(&entry.key.as_str()))
}

/// `{$for: x in …, $each: …}`.
fn each(node: &Node, entries: &[Entry], diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    let given = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
    if let Some(other) = entries.iter().find(|entry| ![FOR, EACH].contains(&entry.key.as_str())) {
        diagnostics.push(list_of_each::other_key(other.key_span, &other.key));
        return None;
    }
    let (Some(head), Some(value)) = (given(FOR), given(EACH)) else {
        diagnostics.push(list_of_each::incomplete(node.span, if given(FOR).is_some() { EACH } else { FOR }));
        return None;
    };
    let value = read(value, diagnostics);
    let head = match &head.value {
        Value::Mapping(entries) => expression_in(entries).unwrap_or(head),
        _ => head,
    };
    let Value::String(text) = &head.value else {
        diagnostics.push(list_of_each::no_head(head.span));
        return None;
    };
    let read = parse_foreach(head, text).and_then(|head| {
        let Some(value) = value else { return Ok(None) };
        expr::structure(AstKind::Each(Box::new(EachSyntax { head, value })), node.span).map(Some)
    });
    read.map_err(|error| diagnostics.push(*error)).ok().flatten()
}

fn constant(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Ast> {
    let kind = match &node.value {
        Value::Bool(value) => AstKind::Boolean(*value),
        Value::Number(text) => return number(node, text, diagnostics),
        _ => AstKind::Null,
    };
    Some(Ast { kind, span: node.span, depth: 1 })
}

/// A plain text at the place of a value: an expression. Words, or a date, are told to be quoted.
fn plain(node: &Node, text: &str) -> Result<Ast, Box<Diagnostic>> {
    if is_date(text) {
        return Err(Box::new(expression_syntax::date(node.span, text)));
    }
    parse(node, text)
        .map_err(|error| if is_words(text) { Box::new(expression_syntax::words(node.span, text)) } else { error })
}

/// `2026-01-31`, which would be arithmetic.
fn is_date(text: &str) -> bool {
    let form = |character: char| if character.is_ascii_digit() { '0' } else { character };
    text.chars().map(form).eq("0000-00-00".chars())
}

/// Whether somebody has written prose: it begins with a letter, and names no variable and no text.
fn is_words(text: &str) -> bool {
    text.starts_with(char::is_alphabetic) && !text.contains(['$', '\''])
}

/// Warns where a text in quotes looks as if an expression were meant.
fn warn_of_expression(node: &Node, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    if text.contains(['$', '\''])
        && let Ok(ast) = parse(node, text)
        && names_a_value(&ast)
    {
        diagnostics.push(quoted_expression::warning(node.span, text));
    }
}

/// Whether a `$path` or a text in quotes of its own stands in an expression.
fn names_a_value(ast: &Ast) -> bool {
    matches!(ast.kind, AstKind::Path { .. } | AstKind::Text(_)) || expr::parts(&ast.kind).any(names_a_value)
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
        warn_inside(node, diagnostics);
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

/// Warns of the texts in a constant list or object.
fn warn_inside(node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    match &node.value {
        Value::String(text) if node.quoted => warn_of_expression(node, text, diagnostics),
        Value::Sequence(elements) => elements.iter().for_each(|element| warn_inside(element, diagnostics)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| warn_inside(&entry.value, diagnostics)),
        _ => {}
    }
}

/// A YAML value as a JSON constant; `None` where it holds an expression.
fn json(node: &Node) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(text) => Json::Number(serde_json::from_str(text).ok()?),
        Value::String(text) if node.quoted => match parse_text(node, text).ok()?.kind {
            AstKind::Text(text) => Json::String(text),
            _ => return None,
        },
        Value::String(text) => match plain(node, text).ok()?.kind {
            AstKind::Text(text) => Json::String(text),
            AstKind::Boolean(value) => Json::Bool(value),
            AstKind::Null => Json::Null,
            _ => return None,
        },
        Value::Sequence(elements) => Json::Array(elements.iter().map(json).collect::<Option<_>>()?),
        Value::Mapping(entries) if expression_in(entries).is_some() || is_each(entries) => return None,
        Value::Mapping(entries) => Json::Object(
            entries.iter().map(|entry| Some((entry.key.clone(), json(&entry.value)?))).collect::<Option<_>>()?,
        ),
    })
}
