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
    /// Is read from JSON too, not only written.
    pub(super) deserialize: bool,
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
    let Struct { ident, doc, fields, deserialize, builder, .. } = item;
    let derive_deserialize = deserialize.then(|| quote!(serde::Deserialize,));
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
            Clone, Debug, PartialEq, serde::Serialize, #derive_deserialize #derive_builder
        )]
        #[serde(crate = "::specql_runtime::__private::serde")]
        #builder
        pub struct #ident { #(#fields,)* }
    }
}

fn field(field: &Field, item: &Struct) -> TokenStream {
    let Field { name, ident, doc, ty, presence } = field;
    let tokens = &ty.tokens;
    let tokens = match presence {
        Presence::Required => quote!(#tokens),
        Presence::Optional => quote!(Option<#tokens>),
        Presence::Change => quote!(Option<Option<#tokens>>),
    };
    let mut serde = Vec::new();
    // Raw identifiers are the same name to serde.
    if ident.to_string().trim_start_matches("r#") != name {
        serde.push(quote!(rename = #name));
    }
    if *presence != Presence::Required {
        if item.deserialize {
            serde.push(quote!(default));
        }
        if !item.rows {
            serde.push(quote!(skip_serializing_if = "Option::is_none"));
        }
    }
    match (ty.bigint, item.rows, item.deserialize) {
        (true, true, _) => serde.push(quote!(with = "value::bigint_as_text")),
        (true, false, true) => serde.push(quote!(with = "value::bigint")),
        _ => {}
    }
    let serde = (!serde.is_empty()).then(|| quote!(#[serde(#(#serde),*)]));
    quote! { #doc #serde pub #ident: #tokens }
}
