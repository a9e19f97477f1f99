//! Modules as formatted text.
//!
//! Every item is formatted by itself, so that a blank line can stand between two of them, which the formatter does
//! not do. Only top-level items may hold texts of several lines: indenting would change them.

use std::fmt::Write as _;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// A module to print.
#[derive(Debug)]
pub(super) struct Module {
    /// `#[doc]` and other attributes.
    pub(super) attributes: TokenStream,
    pub(super) name: Ident,
    /// `use` lines, which stand together.
    pub(super) uses: TokenStream,
    pub(super) items: Vec<TokenStream>,
    pub(super) modules: Vec<Module>,
}

/// What all generated modules allow: their text answers to the generator's tests, not to the user's lints.
pub(super) fn allow() -> TokenStream {
    quote! {
        #[allow(
            clippy::all, clippy::pedantic, clippy::nursery, dead_code, unused_imports, unreachable_pub, rustdoc::all,
            non_camel_case_types, non_snake_case
        )]
    }
}

/// Items, formatted, with an empty line between two; `use` lines stand together.
pub(super) fn items(tokens: &TokenStream) -> String {
    let Ok(file) = syn::parse2::<syn::File>(tokens.clone()) else {
        // Unformatted is better than nothing: rustc will say where it is wrong.
        return format!("{tokens}\n");
    };
    let mut text = String::new();
    let mut after_use = true;
    for item in file.items {
        let is_use = matches!(item, syn::Item::Use(_));
        let is_impl = matches!(item, syn::Item::Impl(_));
        if !(text.is_empty() || is_use && after_use) {
            text.push('\n');
        }
        after_use = is_use;
        let formatted = prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: vec![item] });
        text.push_str(&if is_impl { apart(&formatted) } else { formatted });
    }
    text
}

/// An impl with an empty line before each documented or attributed member, and each function, but the first.
fn apart(formatted: &str) -> String {
    let mut text = String::new();
    let mut ended = false;
    for line in formatted.lines() {
        let member = line.strip_prefix("    ").unwrap_or_default();
        if ended && ["///", "#[", "fn ", "pub "].iter().any(|start| member.starts_with(start)) {
            text.push('\n');
        }
        ended = member == "}" || !member.starts_with(' ') && member.ends_with(';');
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A module, formatted.
pub(super) fn module(module: &Module) -> String {
    let Module { attributes, name, uses, items: definitions, modules } = module;
    let mut parts = Vec::new();
    if !uses.is_empty() {
        parts.push(items(uses));
    }
    parts.extend(definitions.iter().map(items));
    parts.extend(modules.iter().map(self::module));

    // The formatter only takes whole items, so the module's head is cut out of an empty one.
    let empty = items(&quote! { #attributes pub mod #name {} });
    let head = empty.trim_end().trim_end_matches('}');
    if parts.is_empty() {
        return empty;
    }
    let mut text = format!("{head}\n");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        for line in part.lines() {
            let indent = if line.is_empty() { "" } else { "    " };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{indent}{line}");
        }
    }
    text.push_str("}\n");
    text
}
