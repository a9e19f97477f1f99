//! `functions:` of an entity, as they are written.

use super::{
    entity::read_type,
    keys::{self, Keys},
    types::TypeSyntax,
};
use crate::{
    diagnostics::{Diagnostic, rules::sq0133_missing_key as missing_key},
    keys::{Key, Shape, Table},
    source::{
        Spanned,
        yaml::{Entry, Node},
    },
};

/// A function that the user wrote elsewhere.
#[derive(Clone, Debug)]
pub struct FunctionSyntax {
    /// Its name.
    pub name: Spanned<String>,
    /// `args:`; types that could not be read are `None`.
    pub args: Vec<(Spanned<String>, Option<TypeSyntax>)>,
    /// `returns:`; `None` where it could not be read.
    pub returns: Option<TypeSyntax>,
    /// `volatility:`.
    pub volatility: Option<Spanned<String>>,
    /// `schema:`.
    pub schema: Option<Spanned<String>>,
    /// All of it could be read.
    pub complete: bool,
}

/// A function.
pub static FUNCTION: Table = Table::new(
    "a function",
    &[
        Key::new("args", Shape::Map(&Shape::Type), "its parameters, in their order").default("none"),
        Key::new("returns", Shape::Type, "the type of its value; with `!` it is never NULL").required(),
        Key::new(
            "volatility",
            Shape::Words(&["immutable", "stable", "volatile"]),
            "whether it depends on its arguments alone, reads, or writes",
        )
        .default("`volatile`"),
        Key::new("schema", Shape::Name, "the schema that it is in").default("the entity's"),
    ],
);

/// Reads `functions:`.
pub(super) fn read_all(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<FunctionSyntax> {
    let entries = keys::mapping(node, "functions", diagnostics).unwrap_or_default();
    entries.iter().map(|entry| read(entry, diagnostics)).collect()
}

fn read(entry: &Entry, diagnostics: &mut Vec<Diagnostic>) -> FunctionSyntax {
    let name = Spanned { value: entry.key.clone(), span: entry.key_span };
    let mut function =
        FunctionSyntax { name, args: Vec::new(), returns: None, volatility: None, schema: None, complete: false };
    let Some(keys) = Keys::read(&entry.value, &FUNCTION, diagnostics) else { return function };
    let args = keys.get("args").map(|node| keys::mapping(node, "args", diagnostics));
    function.complete = args != Some(None);
    for entry in args.flatten().unwrap_or_default() {
        let name = Spanned { value: entry.key.clone(), span: entry.key_span };
        function.args.push((name, read_type(&entry.value, diagnostics)));
    }
    match keys.get("returns") {
        Some(node) => function.returns = read_type(node, diagnostics),
        None => diagnostics.push(missing_key::error(entry.key_span, "a function", "returns")),
    }
    function.volatility = keys.text("volatility", diagnostics);
    function.schema = keys.text("schema", diagnostics);
    function
}
