//! Types of the language as Rust types.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use specql_registry::{Basic, Schema, ValueType};

use super::{
    composites, docs, enums,
    names::Scope,
    structs::{self, Field, Presence, Struct},
};

/// A Rust type, and what a field of it needs to know.
#[derive(Clone, Debug)]
pub(super) struct RustType {
    pub(super) tokens: TokenStream,
    /// Is a `String`: builders take anything that becomes one.
    pub(super) text: bool,
    /// Holds a bigint, alone or in lists, which has forms of its own in JSON.
    pub(super) bigint: bool,
}

impl RustType {
    pub(super) fn of(tokens: TokenStream) -> Self {
        Self { tokens, text: false, bigint: false }
    }

    pub(super) fn uuid() -> Self {
        Self::of(quote!(value::Uuid))
    }
}

/// Where the types that a field needs besides are defined: enums and inline objects.
#[derive(Debug)]
pub(super) struct Definitions<'a> {
    pub(super) types: &'a mut Scope,
    pub(super) items: &'a mut Vec<TokenStream>,
    /// They are sent, not received: what has a default may be left out.
    pub(super) input: bool,
    /// They are read from what others write, so that unknown keys are refused. A job's input may be a newer program's.
    pub(super) strict: bool,
}

impl Definitions<'_> {
    /// The Rust type of a value. `name` is that of a type of its own, should it need one: `CreateChargeInput_address`.
    pub(super) fn value(&mut self, ty: &ValueType, name: &str) -> RustType {
        match ty {
            ValueType::Enum(values) => {
                let ident = self.types.claim_type(name);
                self.items.push(enums::definition(&ident, values, docs::doc([docs::code(&ty.to_string())])));
                RustType::of(quote!(#ident))
            }
            ValueType::Object(schema) => {
                let ident = self.types.claim_type(name);
                let definition = self.schema_struct(&ident, schema, docs::doc([docs::code(&ty.to_string())]));
                self.items.push(definition);
                RustType::of(quote!(#ident))
            }
            ValueType::List(element) => list(&self.value(element, name)),
            ValueType::Basic(_) | ValueType::Decimal(_) | ValueType::Scalar(_) | ValueType::Composite(_) => simple(ty),
        }
    }

    /// The struct of a schema.
    pub(super) fn schema_struct(&mut self, ident: &Ident, schema: &Schema, doc: TokenStream) -> TokenStream {
        let mut names = Scope::values();
        let fields = structs::field_names(&mut names, schema.fields.keys())
            .into_iter()
            .zip(&schema.fields)
            .map(|(rust_name, (name, field))| {
                let ty = self.value(&field.ty, &format!("{ident}_{name}"));
                let required = field.required && !(self.input && field.default.is_some());
                Field {
                    name: name.clone(),
                    ident: rust_name,
                    doc: docs::schema_field(name, field),
                    ty,
                    presence: if required { Presence::Required } else { Presence::Optional },
                }
            })
            .collect();
        structs::definition(&Struct {
            ident: ident.clone(),
            doc,
            fields,
            strict: self.strict,
            rows: false,
            builder: true,
        })
    }
}

/// The Rust type of a value in which an enum, if there is one, has a type already.
pub(super) fn with_enum(ty: &ValueType, known: &TokenStream) -> RustType {
    match ty {
        ValueType::Enum(_) => RustType::of(known.clone()),
        ValueType::List(element) => list(&with_enum(element, known)),
        // Inline objects stand in service schemas only, whose types are their own.
        ValueType::Object(_) => RustType::of(quote!(value::Json)),
        ValueType::Basic(_) | ValueType::Decimal(_) | ValueType::Scalar(_) | ValueType::Composite(_) => simple(ty),
    }
}

fn list(element: &RustType) -> RustType {
    let tokens = &element.tokens;
    RustType { tokens: quote!(Vec<#tokens>), text: false, bigint: element.bigint }
}

fn simple(ty: &ValueType) -> RustType {
    match ty {
        ValueType::Basic(Basic::Text) => RustType { text: true, ..RustType::of(quote!(String)) },
        ValueType::Basic(Basic::Integer) => RustType::of(quote!(i32)),
        ValueType::Basic(Basic::Bigint) => RustType { bigint: true, ..RustType::of(quote!(i64)) },
        ValueType::Basic(Basic::Float) => RustType::of(quote!(f64)),
        ValueType::Basic(Basic::Boolean) => RustType::of(quote!(bool)),
        ValueType::Basic(Basic::Timestamp) => RustType::of(quote!(value::Timestamp)),
        ValueType::Decimal(_) => RustType::of(quote!(value::Decimal)),
        ValueType::Scalar(scalar) => {
            let name = super::names::ident(scalar.info().rust);
            RustType::of(quote!(value::#name))
        }
        ValueType::Composite(composite) => {
            let name = composites::name(*composite);
            RustType::of(quote!(composites::#name))
        }
        ValueType::Basic(Basic::Json) | ValueType::Enum(_) | ValueType::List(_) | ValueType::Object(_) => {
            RustType::of(quote!(value::Json))
        }
    }
}
