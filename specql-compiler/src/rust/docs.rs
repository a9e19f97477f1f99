//! Doc comments of generated items.

use proc_macro2::TokenStream;
use quote::quote;
use specql_registry::SchemaField;

/// `///` lines: paragraphs with an empty line between two; empty ones are left out.
pub(super) fn doc<S: AsRef<str>>(paragraphs: impl IntoIterator<Item = S>) -> TokenStream {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in paragraphs {
        let text = paragraph.as_ref().trim();
        if text.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(text.lines().map(harmless));
    }
    quote! { #(#[doc = #lines])* }
}

/// A line of a user's description that rustdoc cannot take for a code block, which it would run as a test.
fn harmless(line: &str) -> String {
    let line = line.trim();
    if line.is_empty() { String::new() } else { format!(" {}", line.replace("```", "'''").replace("~~~", "---")) }
}

/// The doc comment of a field of a schema.
pub(super) fn schema_field(name: &str, field: &SchemaField) -> TokenStream {
    doc([field.description.clone().unwrap_or_default(), code(&format!("{name}: {field}"))])
}

/// Text as Markdown code, whatever back-ticks it holds.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
