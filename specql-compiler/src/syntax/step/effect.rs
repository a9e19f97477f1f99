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

/// What stands in quotes is a message, and so are plain words that are no expression; where a `$` or a quote shows that an
/// expression was meant, the mistake is reported.
pub(super) fn finish(subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    Some(StepKindSyntax::Return(match &subject.value {
        Value::Null => ReturnSyntax::Nothing,
        Value::String(text) if !subject.quoted => match parse(subject, text) {
            Ok(ast) => ReturnSyntax::Value(ast),
            Err(error) if text.starts_with(['$', '\'']) || (text.contains('$') && !text.contains("{$")) => {
                diagnostics.push(*error);
                return None;
            }
            Err(_) => ReturnSyntax::Words(value::prose(subject, "return", diagnostics)?),
        },
        _ => ReturnSyntax::Value(value::read(subject, diagnostics)?),
    }))
}
