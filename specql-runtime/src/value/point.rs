//! Points in the plane: `coordinates`.

use serde::{Deserialize, Serialize};
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef, types::PgPoint},
};

/// A point in the plane; on a map `x` is the longitude.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
}

impl From<PgPoint> for Point {
    fn from(PgPoint { x, y }: PgPoint) -> Self {
        Self { x, y }
    }
}

impl From<Point> for PgPoint {
    fn from(Point { x, y }: Point) -> Self {
        Self { x, y }
    }
}

impl Type<Postgres> for Point {
    fn type_info() -> PgTypeInfo {
        PgPoint::type_info()
    }
}

impl PgHasArrayType for Point {
    fn array_type_info() -> PgTypeInfo {
        PgPoint::array_type_info()
    }
}

impl Encode<'_, Postgres> for Point {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        PgPoint::from(*self).encode_by_ref(buffer)
    }
}

impl Decode<'_, Postgres> for Point {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        PgPoint::decode(value).map(Self::from)
    }
}
