//! `foreach:`.

use super::{StepKindSyntax, read_all};
use crate::{
    diagnostics::{Diagnostic, rules::sq0133_missing_key as missing_key},
    source::yaml::Node,
    syntax::{
        expr::parse_foreach,
        keys::{self, Keys},
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
    let head = parse_foreach(subject, &written.value).map_err(|error| diagnostics.push(*error)).ok()?;
    Some(StepKindSyntax::Foreach { head, steps })
}
