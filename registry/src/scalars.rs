//! The table of named scalar types: the one place that defines them.

use serde::{Deserialize, Serialize};

mod table;

pub use table::ALL;

/// A named scalar type. Copy it freely: it points into [`ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scalar(&'static ScalarInfo);

/// A row of the table.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ScalarInfo {
    /// The name in YAML.
    pub name: &'static str,
    /// The name in Rust: of a newtype of its own for text, else of the type that all scalars of the base have.
    pub rust: &'static str,
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
    /// Values that fit. Those of `coordinates` are JSON, all others text.
    pub good: &'static [&'static str],
    /// Values that do not fit.
    pub bad: &'static [&'static str],
}

/// What stands behind a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScalarBase {
    /// Text, a Rust newtype.
    Text,
    /// A number of that precision and scale.
    Numeric(u16, u16),
    /// A UUID.
    Uuid,
    /// A calendar date: `2026-01-31`.
    Date,
    /// A time of day: `14:30:00`.
    Time,
    /// A length of time, ISO 8601 in JSON: `P1DT2H`.
    Interval,
    /// An IP address or network.
    Inet,
    /// A MAC address.
    MacAddr,
    /// A point, `{"x": 1.5, "y": 2}` in JSON.
    Point,
}

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

/// Patterns that scalars had in earlier versions, each with the name of its scalar. The pattern of today allows whatever they
/// allow, so that rows from before need no look when a new version of SpecQL replaces it.
pub const FORMER_PATTERNS: &[(&str, &str)] =
    &[("email", r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}$")];

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
