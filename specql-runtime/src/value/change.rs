//! What a partial update does with a field: `None` leaves it alone, `Some(None)` empties it.
//!
//! serde reads `null` as the outer `None`. Here a key that is there is `Some`, whatever it holds; one that is not there is left to
//! `#[serde(default)]`.

use serde::{Deserialize, Deserializer};

use super::number::{Bigint, Lenient, bigint};

/// Reads a value that is there, `null` included.
///
/// # Errors
/// When it is none of the type.
pub fn change<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The same around `i64`, which is read from a number or a text.
///
/// # Errors
/// When it is neither, or does not fit 64 bits.
pub fn bigint_change<'de, B, D>(deserializer: D) -> Result<Option<B>, D::Error>
where
    B: Bigint<Of<Lenient>: Deserialize<'de>>,
    D: Deserializer<'de>,
{
    bigint::deserialize(deserializer).map(Some)
}
