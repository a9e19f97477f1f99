//! The types a value can have, in entities, inputs and outputs alike.

use serde::{Deserialize, Serialize};

use crate::{
    composites::Composite,
    scalars::{Scalar, ScalarBase},
    schema::Schema,
};

/// A basic type of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basic {
    /// UTF-8 text without NUL.
    Text,
    /// 32 bit signed.
    Integer,
    /// 64 bit signed.
    Bigint,
    /// 64 bit IEEE 754.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A point in time, with a time zone in its text form (RFC 3339).
    Timestamp,
    /// Any JSON value.
    Json,
}

/// The type of a field, an input or an output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// `text`, `integer`, …
    Basic(Basic),
    /// `decimal` or `decimal(precision, scale)`.
    Decimal(Option<(u16, u16)>),
    /// `email`, `money`, …: a row of [`crate::scalars`].
    Scalar(Scalar),
    /// `SimpleAddress`, …: a row of [`crate::composites`].
    Composite(Composite),
    /// `enum(a, b)`; the order is that of the source.
    Enum(Vec<String>),
    /// `list(T)`.
    List(Box<ValueType>),
    /// An inline object (service schemas only).
    Object(Schema),
}

/// The type as it is written in YAML.
impl std::fmt::Display for ValueType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic(basic) => f.write_str(basic.name()),
            Self::Decimal(None) => f.write_str("decimal"),
            Self::Decimal(Some((precision, scale))) => write!(f, "decimal({precision},{scale})"),
            Self::Scalar(scalar) => f.write_str(scalar.info().name),
            Self::Composite(composite) => f.write_str(composite.info().name),
            Self::Enum(values) => write!(f, "enum({})", values.join(", ")),
            Self::List(element) => write!(f, "list({element})"),
            Self::Object(schema) => {
                let fields: Vec<String> =
                    schema.fields.iter().map(|(name, field)| format!("{name}: {field}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
        }
    }
}

impl ValueType {
    /// Whether values are points, which PostgreSQL neither compares nor orders.
    #[must_use]
    pub fn is_point(&self) -> bool {
        matches!(self, Self::Scalar(scalar) if scalar.info().base == ScalarBase::Point)
    }

    /// Whether values are documents or arrays, which no text is made of and no comparison is made with.
    #[must_use]
    pub fn is_structured(&self) -> bool {
        match self {
            Self::Basic(basic) => *basic == Basic::Json,
            Self::Scalar(scalar) => scalar.info().base == ScalarBase::Point,
            Self::Composite(_) | Self::List(_) | Self::Object(_) => true,
            Self::Decimal(_) | Self::Enum(_) => false,
        }
    }
}

impl Basic {
    /// All basic types, in the order in which the reference lists them.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Integer, Self::Bigint, Self::Float, Self::Boolean, Self::Timestamp, Self::Json];

    /// The name in YAML. `jsonb` is accepted for `json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
        }
    }
}
