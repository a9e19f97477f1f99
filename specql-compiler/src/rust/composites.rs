//! `composites`: the composite types that the project uses.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use specql_registry::composites::Composite;

use super::{
    docs,
    names::{Names, Scope, ident},
    print::{self, Module},
    types::Definitions,
};
use crate::model::Model;

/// The module, where there is a composite.
pub(super) fn module(model: &Model) -> Option<Module> {
    let composites = model.composites();
    if composites.is_empty() {
        return None;
    }
    let mut types = Scope::types();
    for composite in &composites {
        types.claim_type(&name(*composite).to_string());
    }
    let mut items = Vec::new();
    for composite in composites {
        let info = composite.info();
        let mut nested = Vec::new();
        let doc = docs::doc([format!("{}: {}.", docs::code(info.name), info.doc)]);
        let mut definitions = Definitions { types: &mut types, items: &mut nested, input: false, strict: true };
        items.push(definitions.schema_struct(&name(composite), composite.schema(), doc));
        items.append(&mut nested);
    }
    let doc = docs::doc(["The composite types that the project uses."]);
    let allow = print::allow();
    Some(Module {
        attributes: quote!(#doc #allow),
        name: ident("composites"),
        uses: quote!(
            use super::composites;
            use ::specql_runtime::{
                __private::{bon, serde},
                value,
            };
        ),
        items,
        modules: Vec::new(),
    })
}

/// `SimpleAddress`; `Url` for `URL`.
pub(super) fn name(composite: Composite) -> Ident {
    use heck::ToUpperCamelCase as _;
    ident(&composite.info().name.to_upper_camel_case())
}

/// The line that brings `composites` into a module that many levels down.
pub(super) fn import(names: &Names, levels: usize) -> TokenStream {
    if !names.composites {
        return TokenStream::new();
    }
    let supers = (0..levels).map(|_| quote!(super::));
    quote!(use #(#supers)* composites;)
}
