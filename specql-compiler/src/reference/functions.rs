//! `docs/reference/functions.md`.

use std::fmt::Write as _;

use super::{GENERATED, cell};
use crate::model::function::FUNCTIONS;

/// The functions that expressions may call, as Markdown.
#[must_use]
pub fn functions() -> String {
    let mut text = format!(
        "{GENERATED}
# Functions in expressions

Every function that an expression may call, besides those that an entity declares under `functions:`. No other name reaches
the database.

| call | what it is |
|---|---|
"
    );
    for function in FUNCTIONS {
        let _ = writeln!(text, "| `{}` | {} |", cell(function.usage), cell(function.doc));
    }
    text
}
