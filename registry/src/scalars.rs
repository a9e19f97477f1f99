//! The table of named scalar types: the one place that defines them.

use serde::{Deserialize, Serialize};

/// A named scalar type. Copy it freely: it points into [`ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scalar(&'static ScalarInfo);

/// A row of the table.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ScalarInfo {
    /// The name in YAML.
    pub name: &'static str,
    /// One line for the reference.
    pub doc: &'static str,
    /// What stands behind it.
    pub base: ScalarBase,
    /// Case-sensitive pattern of a text scalar, in a syntax that PostgreSQL and Rust's regex read alike.
    pub pattern: Option<&'static str>,
    /// Least and greatest value of a number, as decimal text.
    pub range: (Option<&'static str>, Option<&'static str>),
    /// A value that fits, for documentation and tests.
    pub example: &'static str,
}

/// What stands behind a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScalarBase {
    /// TEXT, a Rust newtype.
    Text,
    /// NUMERIC(precision, scale), a `Decimal`.
    Numeric(u16, u16),
    /// UUID.
    Uuid,
    /// DATE.
    Date,
}

/// The table.
pub static ALL: &[ScalarInfo] = &[
    ScalarInfo {
        name: "email",
        doc: "an e-mail address",
        base: ScalarBase::Text,
        pattern: Some(r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}$"),
        range: (None, None),
        example: "ada@example.eu",
    },
    ScalarInfo {
        name: "currencyCode",
        doc: "an ISO 4217 currency code",
        base: ScalarBase::Text,
        pattern: Some("^[A-Z]{3}$"),
        range: (None, None),
        example: "EUR",
    },
    ScalarInfo {
        name: "url",
        doc: "an http or https URL",
        base: ScalarBase::Text,
        pattern: Some(r"^https?://[^\s/$.?#][^\s]*$"),
        range: (None, None),
        example: "https://example.eu/a",
    },
    ScalarInfo {
        name: "money",
        doc: "an amount of money in major units",
        base: ScalarBase::Numeric(19, 4),
        pattern: None,
        range: (Some("0"), None),
        example: "19.99",
    },
    ScalarInfo {
        name: "uuid",
        doc: "a UUID",
        base: ScalarBase::Uuid,
        pattern: None,
        range: (None, None),
        example: "018f3f6e-7b0a-7c3e-9d7e-0123456789ab",
    },
    ScalarInfo {
        name: "date",
        doc: "a calendar date",
        base: ScalarBase::Date,
        pattern: None,
        range: (None, None),
        example: "2026-01-31",
    },
];

impl Scalar {
    /// The scalar of that name, exactly as it is written in YAML.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.iter().find(|info| info.name == name).map(Self)
    }

    /// Its row of the table.
    #[must_use]
    pub const fn info(self) -> &'static ScalarInfo {
        self.0
    }
}

impl Serialize for Scalar {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom(format!("unknown scalar type `{name}`")))
    }
}
