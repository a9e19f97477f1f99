//! The user's reference, printed from the tables that the compiler itself reads: what stands in it is what is done.
//! (That of keys stands beside their tables, in [`crate::keys`].)

mod functions;
mod types;

pub use functions::functions;
pub use types::types;

/// The first line of every page.
const GENERATED: &str = "<!-- @generated from the compiler's tables; `SPECQL_BLESS=1 cargo test -p specql-compiler --test manual` rewrites it -->\n";

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
