//! What an entity's rows must be to each other, and what is found among them fast: `unique:`, `indexes:`, `checks:`.

use super::{expr::Ast, keys, value};
use crate::{
    diagnostics::{Diagnostic, rules::sq0131_wrong_shape as wrong_shape},
    source::{
        Span, Spanned,
        yaml::{Node, Value},
    },
};

/// Some fields of an entity, in order.
#[derive(Clone, Debug)]
pub struct FieldsSyntax {
    /// Their names.
    pub names: Vec<Spanned<String>>,
    /// The list.
    pub span: Span,
}

/// A condition that all rows meet.
#[derive(Clone, Debug)]
pub struct CheckSyntax {
    /// What it is called.
    pub name: Spanned<String>,
    /// The condition.
    pub condition: Ast,
}

/// Reads `unique:`: a list of fields, or a list of such lists.
pub fn read_unique(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<FieldsSyntax> {
    let elements = keys::sequence(node, "unique", diagnostics).unwrap_or_default();
    if elements.iter().all(|element| matches!(element.value, Value::Sequence(_))) {
        return elements.iter().filter_map(|element| read_list(element, "unique", diagnostics)).collect();
    }
    read_list(node, "unique", diagnostics).into_iter().collect()
}

/// Reads `indexes:`: a list of fields and of lists of fields.
pub fn read_indexes(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<FieldsSyntax> {
    let elements = keys::sequence(node, "indexes", diagnostics).unwrap_or_default();
    let read = elements.iter().filter_map(|element| match &element.value {
        Value::Sequence(_) => read_list(element, "indexes", diagnostics),
        _ => {
            let name = keys::text(element, "indexes", diagnostics)?;
            Some(FieldsSyntax { span: name.span, names: vec![name] })
        }
    });
    read.collect()
}

/// Reads `checks:`: names, and the conditions that they stand for.
pub fn read_checks(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<CheckSyntax> {
    let entries = keys::mapping(node, "checks", diagnostics).unwrap_or_default();
    let read = entries.iter().filter_map(|entry| {
        let name = Spanned { value: entry.key.clone(), span: entry.key_span };
        Some(CheckSyntax { name, condition: value::clause(&entry.value, diagnostics)? })
    });
    read.collect()
}

/// Some fields, in brackets.
fn read_list(node: &Node, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<FieldsSyntax> {
    let elements = keys::sequence(node, key, diagnostics)?;
    if elements.is_empty() {
        diagnostics.push(wrong_shape::error(
            node,
            &format!("`{key}`"),
            "a list of fields, such as `[customer, number]`",
        ));
        return None;
    }
    let names = elements.iter().map(|element| keys::text(element, key, diagnostics));
    Some(FieldsSyntax { names: names.collect::<Option<_>>()?, span: node.span })
}
