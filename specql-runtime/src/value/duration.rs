//! Lengths of time: `duration`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use specql_registry::duration::{Duration as Iso, InvalidDuration};
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef, types::PgInterval},
};

/// A length of time as PostgreSQL keeps it. A month has no fixed number of days, nor a day of hours, so the three parts
/// stand apart. Its text, in JSON too, is that of ISO 8601: `P1Y2M3DT4H5M6.5S`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Duration {
    /// Months; twelve are a year.
    pub months: i32,
    /// Days; seven are a week.
    pub days: i32,
    /// Hours, minutes and seconds.
    pub microseconds: i64,
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let Iso { months, days, microseconds } = text.parse()?;
        Ok(Self { months, days, microseconds })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, days, microseconds } = *self;
        Iso { months, days, microseconds }.fmt(f)
    }
}

impl Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl From<PgInterval> for Duration {
    fn from(PgInterval { months, days, microseconds }: PgInterval) -> Self {
        Self { months, days, microseconds }
    }
}

impl From<Duration> for PgInterval {
    fn from(Duration { months, days, microseconds }: Duration) -> Self {
        Self { months, days, microseconds }
    }
}

impl Type<Postgres> for Duration {
    fn type_info() -> PgTypeInfo {
        PgInterval::type_info()
    }
}

impl PgHasArrayType for Duration {
    fn array_type_info() -> PgTypeInfo {
        PgInterval::array_type_info()
    }
}

impl Encode<'_, Postgres> for Duration {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        PgInterval::from(*self).encode_by_ref(buffer)
    }
}

impl Decode<'_, Postgres> for Duration {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        PgInterval::decode(value).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_iso_8601() {
        let duration = Duration { months: 1, days: 2, microseconds: 500_000 };
        assert_eq!(serde_json::to_string(&duration).unwrap(), "\"P1M2DT0.5S\"");
        assert_eq!(serde_json::from_str::<Duration>("\"P1M2DT0.5S\"").unwrap(), duration);
        assert!(serde_json::from_str::<Duration>("\"2 days\"").is_err());
    }
}
