//! `call:`, `notify:` and `return:`.

use super::{ReturnSyntax, StepKindSyntax};
use crate::{
    diagnostics::{Diagnostic, rules::sq0131_wrong_shape as wrong_shape},
    source::yaml::{Node, Value},
    syntax::{
        expr::{parse, parse_call, parse_notify},
        keys::{self, Keys},
        value,
    },
};

pub(super) fn call(keys: &Keys<'_>, subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let bind = keys.text("as", diagnostics);
    let store = keys.text("store", diagnostics);
    if let (Some(_), Some(store)) = (&bind, &store) {
        diagnostics.push(wrong_shape::twice(store.span, "as", "store"));
        return None;
    }
    let written = keys::text(subject, "call", diagnostics)?;
    let call = parse_call(subject, &written.value).map_err(|error| diagnostics.push(*error)).ok()?;
    Some(StepKindSyntax::Call { call, bind: bind.or(store) })
}

pub(super) fn notify(subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let written = keys::text(subject, "notify", diagnostics)?;
    let parsed = parse_notify(subject, &written.value).map_err(|error| diagnostics.push(*error)).ok()?;
    Some(StepKindSyntax::Notify(parsed))
}

/// Words that are no expression are a message; where a `$` or a quote shows that an expression was meant, the mistake is
/// reported.
pub(super) fn finish(subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    Some(StepKindSyntax::Return(match &subject.value {
        Value::Null => ReturnSyntax::Nothing,
        Value::String(text) => match parse(subject, text) {
            Ok(ast) => ReturnSyntax::Value(ast),
            Err(_) if !text.trim().is_empty() && !text.contains(['$', '\0']) && !text.starts_with('\'') => {
                ReturnSyntax::Words(text.clone())
            }
            Err(error) => {
                diagnostics.push(*error);
                return None;
            }
        },
        _ => ReturnSyntax::Value(value::read(subject, diagnostics)?),
    }))
}
