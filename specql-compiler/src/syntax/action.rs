//! Actions, as they are written.

use super::{
    keys::{self, Keys},
    step::{self, StepSyntax},
    types::TypeSyntax,
};
use crate::{
    diagnostics::Diagnostic,
    keys::{Key, Shape, Table},
    source::{Spanned, yaml::Node},
};

/// An action.
#[derive(Clone, Debug)]
pub struct ActionSyntax {
    /// `name:`.
    pub name: Spanned<String>,
    /// `description:`.
    pub description: Option<String>,
    /// `wrapper:`.
    pub wrapper: Option<Spanned<String>>,
    /// `input:`; types that could not be read are `None`.
    pub input: Option<Vec<(Spanned<String>, Option<TypeSyntax>)>>,
    /// `steps:`. Empty where there are none.
    pub steps: Vec<StepSyntax>,
    /// Every step could be read; else names may be missing that a lost one would have bound.
    pub complete: bool,
}

/// An action.
pub static ACTION: Table = Table::new(
    "an action",
    &[
        Key::new("name", Shape::Name, "its name, and that of its function in the entity's schema").required(),
        Key::new("description", Shape::Text, "the comment on its function"),
        Key::new("input", Shape::Map(&Shape::Type), "what it takes").default("what its steps use"),
        Key::new("steps", Shape::Steps, "what it does").default(
            "what `create_…`, `update_…` and `delete_…` say; any other action answers `failed:not_implemented`",
        ),
        Key::new("wrapper", Shape::Name, "the name of its public function in the schema `app`").default("its name"),
        // Of the original SpecQL.
        Key::new("impact", Shape::Anything, "what the original tells its clients").warned(),
    ],
);

/// Reads an action.
pub(super) fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<ActionSyntax> {
    let keys = Keys::read(node, &ACTION, diagnostics)?;
    let name = keys.required_text("name", keys.first(), diagnostics);
    let mut complete = true;
    let steps = match keys.get("steps") {
        Some(node) => step::read_all(node, "steps", &mut complete, diagnostics),
        None => Vec::new(),
    };
    let input = keys.get("input").and_then(|node| read_input(node, diagnostics));
    Some(ActionSyntax {
        description: keys.text("description", diagnostics).map(|text| text.value),
        wrapper: keys.text("wrapper", diagnostics),
        name: name?,
        input,
        steps,
        complete,
    })
}

fn read_input(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<(Spanned<String>, Option<TypeSyntax>)>> {
    let entries = keys::mapping(node, "input", diagnostics)?;
    Some(
        entries
            .iter()
            .map(|entry| {
                let name = Spanned { value: entry.key.clone(), span: entry.key_span };
                (name, super::entity::read_type(&entry.value, diagnostics))
            })
            .collect(),
    )
}

/// Reads `actions:`.
pub(super) fn read_all(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<ActionSyntax> {
    let elements = keys::sequence(node, "actions", diagnostics).unwrap_or_default();
    elements.iter().filter_map(|element| read(element, diagnostics)).collect()
}
