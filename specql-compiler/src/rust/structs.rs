//! Structs of rows, inputs and outputs.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{names::Scope, types::RustType};

/// A struct to emit.
#[derive(Debug)]
pub(super) struct Struct {
    pub(super) ident: Ident,
    pub(super) doc: TokenStream,
    pub(super) fields: Vec<Field>,
    /// Is read from JSON that may hold no other keys: what would be ignored is a mistake of whoever sent it.
    pub(super) strict: bool,
    /// Has the JSON form of the views: every field is there, bigints are text.
    pub(super) rows: bool,
    /// Has a builder.
    pub(super) builder: bool,
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    /// The name in JSON.
    pub(super) name: String,
    /// The name in Rust.
    pub(super) ident: Ident,
    pub(super) doc: TokenStream,
    pub(super) ty: RustType,
    pub(super) presence: Presence,
}

/// Whether a field must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// `T`: a builder does not build without it.
    Required,
    /// `Option<T>`: `None` is not written, so that a default applies.
    Optional,
    /// `Option<T>`: `None` leaves a field of the row alone, and in JSON nothing empties it.
    Replace,
    /// `Option<Option<T>>`: `None` leaves a field of the row alone, `Some(None)` empties it.
    Change,
}

/// The Rust names of the fields of one struct.
pub(super) fn field_names<'a>(scope: &mut Scope, names: impl Iterator<Item = &'a String> + Clone) -> Vec<Ident> {
    let setters: Vec<_> = names.clone().map(|name| format!("maybe_{name}")).collect();
    names
        .map(|name| {
            // The builder's own `build()`, and the setter of an optional `x` that takes an `Option`.
            let taken = name == "build" || setters.contains(name);
            scope.claim_field(name, taken)
        })
        .collect()
}

/// The struct's text.
pub(super) fn definition(item: &Struct) -> TokenStream {
    let Struct { ident, doc, fields, strict, builder, .. } = item;
    let strict = strict.then(|| quote!(, deny_unknown_fields));
    let derive_builder = builder.then(|| quote!(bon::Builder,));
    // Texts are set from anything that becomes a String; the builder refuses the attribute where there is none.
    let into = fields
        .iter()
        .any(|field| field.ty.text && field.presence != Presence::Change)
        .then(|| quote!(, on(String, into)));
    let builder = builder.then(|| quote!(#[builder(crate = ::specql_runtime::__private::bon #into)]));
    let fields = fields.iter().map(|field| self::field(field, item));
    quote! {
        #doc
        #[derive(
            Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, #derive_builder
        )]
        #[serde(crate = "::specql_runtime::__private::serde" #strict)]
        #builder
        pub struct #ident { #(#fields,)* }
    }
}

fn field(field: &Field, item: &Struct) -> TokenStream {
    let Field { name, ident, doc, ty, presence } = field;
    let tokens = &ty.tokens;
    let tokens = match presence {
        Presence::Required => quote!(#tokens),
        Presence::Optional | Presence::Replace => quote!(Option<#tokens>),
        Presence::Change => quote!(Option<Option<#tokens>>),
    };
    let mut serde = Vec::new();
    // Raw identifiers are the same name to serde.
    if ident.to_string().trim_start_matches("r#") != name {
        serde.push(quote!(rename = #name));
    }
    if *presence != Presence::Required {
        serde.push(quote!(default));
        if !item.rows {
            serde.push(quote!(skip_serializing_if = "Option::is_none"));
        }
    }
    match (ty.bigint, presence, item.rows) {
        (false, Presence::Change | Presence::Replace, _) => serde.push(quote!(deserialize_with = "value::change")),
        (true, Presence::Change | Presence::Replace, _) => {
            serde.push(quote!(deserialize_with = "value::bigint_change"))
        }
        (true, _, true) => serde.push(quote!(with = "value::bigint_as_text")),
        (true, _, false) => serde.push(quote!(with = "value::bigint")),
        (false, ..) => {}
    }
    let serde = (!serde.is_empty()).then(|| quote!(#[serde(#(#serde),*)]));
    quote! { #doc #serde pub #ident: #tokens }
}
