//! Enums.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use specql_registry::ValueType;

use super::{docs, names::Scope};

/// The values of an enum, alone or in lists.
pub(super) fn values(ty: &ValueType) -> Option<&[String]> {
    match ty {
        ValueType::Enum(values) => Some(values),
        ValueType::List(element) => values(element),
        ValueType::Basic(_)
        | ValueType::Decimal(_)
        | ValueType::Scalar(_)
        | ValueType::Composite(_)
        | ValueType::Object(_) => None,
    }
}

/// The enum and its impls.
pub(super) fn definition(ident: &Ident, values: &[String], doc: TokenStream) -> TokenStream {
    let mut scope = Scope::values();
    let variants: Vec<_> = values.iter().map(|value| scope.claim_type(value)).collect();
    let variant_docs = values.iter().map(|value| docs::doc([docs::code(value)]));
    let count = Literal::usize_unsuffixed(values.len());
    let name = ident.to_string();
    quote! {
        #doc
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize,
            serde::Deserialize
        )]
        #[serde(crate = "::specql_runtime::__private::serde")]
        pub enum #ident {
            #(#variant_docs #[serde(rename = #values)] #variants,)*
        }

        impl #ident {
            /// All values, in the order in which they are declared.
            pub const ALL: [Self; #count] = [#(Self::#variants),*];

            /// The value as it is declared and stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { #(Self::#variants => #values,)* }
            }
        }

        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::core::str::FromStr for #ident {
            type Err = value::UnknownValue;

            fn from_str(text: &str) -> ::core::result::Result<Self, value::UnknownValue> {
                Self::ALL
                    .into_iter()
                    .find(|value| value.as_str() == text)
                    .ok_or_else(|| value::UnknownValue::new(#name, text, Self::ALL.map(Self::as_str)))
            }
        }
    }
}
