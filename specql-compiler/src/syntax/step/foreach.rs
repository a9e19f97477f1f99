//! `foreach:`.

use super::{StepKindSyntax, read_all, rows};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0131_wrong_shape as wrong_shape, sq0133_missing_key as missing_key,
            sq0141_invalid_option as invalid_option,
        },
    },
    source::yaml::Node,
    syntax::{
        expr::{Ast, SourceSyntax, parse_foreach},
        keys::{self, Keys},
        value,
    },
};

pub(super) fn read(
    keys: &Keys<'_>,
    subject: &Node,
    complete: &mut bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<StepKindSyntax> {
    let steps = match keys.get("do") {
        Some(node) => read_all(node, "do", complete, diagnostics),
        None => {
            diagnostics.push(missing_key::error(subject.span, "a step `foreach`", "do"));
            *complete = false;
            Vec::new()
        }
    };
    let written = keys::text(subject, "foreach", diagnostics)?;
    let mut head = parse_foreach(subject, &written.value).map_err(|error| diagnostics.push(*error)).ok()?;
    match &mut head.source {
        SourceSyntax::Rows { order, limit, .. } => {
            *order = rows::order(keys, std::mem::take(order), diagnostics)?;
            *limit = limit_of(keys, limit.take(), diagnostics)?;
        }
        SourceSyntax::Values(_) => of_rows_alone(keys, diagnostics)?,
    }
    let batch = keys.integer("in_batches_of", diagnostics);
    Some(StepKindSyntax::Foreach { head, batch, steps })
}

/// The limit in the text, or that of `limit:`; `None` when there are two, or it cannot be read.
fn limit_of(keys: &Keys<'_>, in_text: Option<Ast>, diagnostics: &mut Vec<Diagnostic>) -> Option<Option<Ast>> {
    let Some(node) = keys.get("limit") else { return Some(in_text) };
    if let Some(limit) = &in_text {
        diagnostics.push(wrong_shape::twice(limit.span, "LIMIT", "limit"));
        return None;
    }
    value::clause(node, diagnostics).map(Some)
}

/// Refuses the keys that only a loop over rows has.
fn of_rows_alone(keys: &Keys<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
    let Some(entry) = ["order_by", "limit", "in_batches_of"].into_iter().find_map(|key| keys.entry(key)) else {
        return Some(());
    };
    let message = format!("`{}` is of rows, and this loop goes through a list in its own order", entry.key);
    let help = "leave it out, or go through rows: `x in find Entity WHERE …`";
    diagnostics.push(invalid_option::error(entry.key_span, message, help));
    None
}
