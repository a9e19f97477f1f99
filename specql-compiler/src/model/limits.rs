//! What a field allows of the values of its type.

use specql_registry::{Basic, ValueType, scalars::ScalarBase};

/// Limits of a field's values, besides those of its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The least number, in decimal digits.
    pub min: Option<String>,
    /// The greatest.
    pub max: Option<String>,
    /// The regular expression that a text matches, in any part of it.
    pub pattern: Option<String>,
}

impl Limits {
    /// Whether there are none.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether values of the type are numbers, which have a least and a greatest.
#[must_use]
pub fn is_number(ty: &ValueType) -> bool {
    match ty {
        ValueType::Basic(Basic::Integer | Basic::Bigint | Basic::Float) | ValueType::Decimal(_) => true,
        ValueType::Scalar(scalar) => matches!(scalar.info().base, ScalarBase::Numeric(..)),
        _ => false,
    }
}

/// Whether values of the type are texts.
#[must_use]
pub fn is_text(ty: &ValueType) -> bool {
    match ty {
        ValueType::Basic(Basic::Text) => true,
        ValueType::Scalar(scalar) => scalar.info().base == ScalarBase::Text,
        _ => false,
    }
}
