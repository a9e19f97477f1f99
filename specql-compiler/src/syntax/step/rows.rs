//! `delete:` and `find:`, and the condition of every step that works on rows.

use super::StepKindSyntax;
use crate::{
    diagnostics::{Diagnostic, rules::sq0131_wrong_shape as wrong_shape},
    source::{Spanned, yaml::Node},
    syntax::{
        expr::{Ast, OrderSyntax, RowsSyntax, parse_find, parse_order, parse_rows},
        keys::{self, Keys},
        value,
    },
};

pub(super) fn delete(keys: &Keys<'_>, subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let hard = keys.boolean("hard", diagnostics).unwrap_or(false);
    Some(StepKindSyntax::Delete { rows: rows(keys, subject, "delete", diagnostics)?, hard })
}

pub(super) fn find(keys: &Keys<'_>, subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let bind = keys.text("as", diagnostics);
    let optional = keys.boolean("optional", diagnostics).unwrap_or(false);
    let lock = keys.boolean("lock", diagnostics);
    let lock = lock.zip(keys.get("lock")).map(|(value, node)| Spanned { value, span: node.span });
    let written = keys::text(subject, "find", diagnostics)?;
    let (parsed, in_text) = parse_find(subject, &written.value).map_err(|error| diagnostics.push(*error)).ok()?;
    let rows = RowsSyntax { condition: condition(keys, parsed.condition, diagnostics)?, entity: parsed.entity };
    let order = order(keys, in_text, diagnostics)?;
    Some(StepKindSyntax::Find { rows, order, bind, optional, lock })
}

/// The order in the text, or that of `order_by:`; `None` when there are two, or it cannot be read.
pub(super) fn order(
    keys: &Keys<'_>,
    in_text: Vec<OrderSyntax>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<OrderSyntax>> {
    let Some(written) = keys.text("order_by", diagnostics) else { return Some(in_text) };
    if let Some(first) = in_text.first() {
        diagnostics.push(wrong_shape::twice(first.field.span, "ORDER BY", "order_by"));
        return None;
    }
    let node = keys.get("order_by")?;
    parse_order(node, &written.value).map_err(|error| diagnostics.push(*error)).ok()
}

/// `Order [WHERE …]`, or `Order` and `where:`.
fn rows(keys: &Keys<'_>, subject: &Node, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<RowsSyntax> {
    let written = keys::text(subject, key, diagnostics)?;
    let parsed = parse_rows(subject, &written.value).map_err(|error| diagnostics.push(*error)).ok()?;
    let condition = condition(keys, parsed.condition, diagnostics)?;
    Some(RowsSyntax { entity: parsed.entity, condition })
}

/// The condition in the text, or that of `where:`; `None` when there are two, or it cannot be read.
pub(super) fn condition(
    keys: &Keys<'_>,
    in_text: Option<Ast>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Option<Ast>> {
    let Some(node) = keys.get("where") else { return Some(in_text) };
    if let Some(condition) = &in_text {
        diagnostics.push(wrong_shape::twice(condition.span, "WHERE", "where"));
        return None;
    }
    value::clause(node, diagnostics).map(Some)
}
