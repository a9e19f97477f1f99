//! The user's reference, printed from the tables that the compiler itself reads: what stands in it is what is done.
//!
//! | module | holds |
//! |---|---|
//! | [`formats`] | every table of keys, by file format |
//! | [`keys()`] | the reference of all keys |
//! | [`json_schema()`] | JSON Schemas, for editors |
//! | [`types()`] | the reference of types |
//! | [`functions()`] | the reference of functions |
//! | [`operators()`] | the reference of operators and constants |

pub mod formats;

mod functions;
mod json_schema;
mod keys;
mod operators;
mod types;

pub use functions::functions;
pub use json_schema::{json_schema, json_schema_text};
pub use keys::keys;
pub use operators::{ENTITY, operators};
pub use types::types;

/// The first line of every page.
const GENERATED: &str = "<!-- @generated from the compiler's tables; `SPECQL_BLESS=1 cargo test -p specql-compiler --test manual` rewrites it -->\n";

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
