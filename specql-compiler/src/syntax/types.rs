//! Types as they are written, in entity fields and in the schemas of services alike.
//!
//! ```text
//! email!    text = none    integer! = 1    integer = 1!    enum(a, b) = a    list(text)    decimal(10, 2)    ref(crm.Customer)
//! ```
//!
//! `!` means required and stands behind the type or at the very end. A default is a bare word or number, a quoted text, or
//! a list or mapping in YAML's own brackets; a text that ends in `!` is quoted.

mod default;
mod parse;
mod resolve;

#[cfg(test)]
mod tests;

use crate::source::{Span, Spanned, yaml::Node};

pub use default::{check_default, check_default_node};
pub use parse::parse;
pub use resolve::{TYPE_NAMES, names, resolve_value};

/// A type with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeSyntax {
    /// The type itself.
    pub ty: TypeExpr,
    /// `!`.
    pub required: bool,
    /// What stands behind `=`.
    pub default: Option<DefaultSyntax>,
    /// All of it.
    pub span: Span,
}

/// A type without `!` and default.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeExpr {
    /// What it is.
    pub kind: TypeKind,
    /// Where it stands.
    pub span: Span,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `text`, `money`, `SimpleAddress`: a name, not looked up yet.
    Name(String),
    /// `decimal(precision, scale)`.
    Decimal(u16, u16),
    /// `enum(a, b)`: one or more, all different.
    Enum(Vec<Spanned<String>>),
    /// `list(T)`.
    List(Box<TypeExpr>),
    /// `ref(Customer)` or `ref(crm.Customer)`.
    Ref {
        /// `crm`.
        schema: Option<Spanned<String>>,
        /// `Customer`.
        entity: Spanned<String>,
    },
}

/// A default as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultSyntax {
    /// Its value.
    pub value: DefaultValue,
    /// Where it stands.
    pub span: Span,
}

/// The value of a [`DefaultSyntax`].
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// `EUR`, `10`, `true`, `now()`: what it is depends on the type.
    Word(String),
    /// `'EUR'`: text.
    Quoted(String),
    /// `{…}` or `[…]`, read as YAML. Its spans are those of the whole default.
    Yaml(Node),
}

impl DefaultSyntax {
    /// Whether it is `now()`, the one default that is no constant.
    #[must_use]
    pub fn is_now(&self) -> bool {
        matches!(&self.value, DefaultValue::Word(word) if word.eq_ignore_ascii_case("now()"))
    }
}
