//! From a type as written to a type of the registry.

use specql_registry::{
    Basic, ValueType,
    composites::{self, Composite},
    scalars::{self, Scalar},
};

use super::{TypeExpr, TypeKind};
use crate::diagnostics::{
    Diagnostic, rules::sq0110_unknown_type::unknown_type, rules::sq0111_type_syntax::type_syntax,
};

/// Other spellings that are accepted: of PostgreSQL, and of the original SpecQL.
const ALIASES: &[(&str, &str)] = &[("jsonb", "json"), ("datetime", "timestamp"), ("phone", "phoneNumber")];

/// Words that people write for a type because they know them from elsewhere: not accepted, but suggested for.
const FOREIGN: &[(&str, &str)] = &[
    ("string", "text"),
    ("str", "text"),
    ("varchar", "text"),
    ("char", "text"),
    ("int", "integer"),
    ("int4", "integer"),
    ("i32", "integer"),
    ("int8", "bigint"),
    ("i64", "bigint"),
    ("long", "bigint"),
    ("double", "float"),
    ("real", "float"),
    ("f64", "float"),
    ("number", "decimal"),
    ("numeric", "decimal"),
    ("bool", "boolean"),
    ("timestamptz", "timestamp"),
    ("object", "json"),
    ("map", "json"),
    ("array", "list"),
    ("set", "list"),
    ("currency", "currencyCode"),
    ("uri", "url"),
];

/// The type names of the language that are no scalars.
pub const TYPE_NAMES: &[&str] =
    &["text", "integer", "bigint", "float", "boolean", "timestamp", "json", "decimal", "enum", "list", "ref"];

/// Every word that is a type by itself, other spellings included.
pub fn names() -> impl Iterator<Item = &'static str> {
    let forms = |name: &&str| !["enum", "list", "ref"].contains(name);
    let known = TYPE_NAMES.iter().copied().filter(forms).chain(scalars::ALL.iter().map(|scalar| scalar.name));
    known.chain(ALIASES.iter().map(|(alias, _)| *alias))
}

/// The type of a value.
///
/// # Errors
/// An unknown name, with the nearest known one; a `ref`, which is a field's type but not a value's.
pub fn resolve_value(ty: &TypeExpr) -> Result<ValueType, Box<Diagnostic>> {
    match &ty.kind {
        TypeKind::Name(name) => named(name).ok_or_else(|| {
            let known: Vec<&str> = match FOREIGN.iter().find(|(foreign, _)| foreign.eq_ignore_ascii_case(name)) {
                Some((_, ours)) => vec![ours],
                None => {
                    let scalars = scalars::ALL.iter().map(|scalar| scalar.name);
                    let composites = composites::ALL.iter().map(|composite| composite.name);
                    TYPE_NAMES.iter().copied().chain(scalars).chain(composites).collect()
                }
            };
            Box::new(unknown_type(ty.span, name, &known))
        }),
        TypeKind::Decimal(precision, scale) => Ok(ValueType::Decimal(Some((*precision, *scale)))),
        TypeKind::Enum(values) => Ok(ValueType::Enum(values.iter().map(|value| value.value.clone()).collect())),
        TypeKind::List(item) => Ok(ValueType::List(Box::new(resolve_value(item)?))),
        TypeKind::Ref { .. } => {
            let what = "a `ref` is the type of an entity's field, not of a value".to_owned();
            Err(Box::new(type_syntax(ty.span, what).help("use `uuid` for the id of a row")))
        }
    }
}

fn named(name: &str) -> Option<ValueType> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, ours)| ours);
    if name == "decimal" {
        return Some(ValueType::Decimal(None));
    }
    let basic = Basic::ALL.into_iter().find(|basic| basic.name() == name).map(ValueType::Basic);
    basic
        .or_else(|| Scalar::from_name(name).map(ValueType::Scalar))
        .or_else(|| Composite::from_name(name).map(ValueType::Composite))
}
