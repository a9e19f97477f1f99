//! A JSON number, as it was written.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Beyond this power of ten neither PostgreSQL nor anybody else holds a number.
const LARGEST_EXPONENT: i32 = 1_000;

/// A JSON number, as it was written. Two are equal when their texts are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

impl Number {
    /// Takes the text of a JSON number; `None` where it is out of range.
    pub(super) fn read(text: &str) -> Option<Self> {
        let finite = text.parse::<f64>().is_ok_and(f64::is_finite);
        let in_reach = exponent(text).is_some_and(|exponent| exponent.abs() <= LARGEST_EXPONENT);
        (finite && in_reach).then(|| Self(text.into()))
    }

    /// The number as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same without an exponent: `-12.50`.
    #[must_use]
    pub fn plain(&self) -> String {
        let Some(at) = self.0.find(['e', 'E']) else { return self.0.to_string() };
        let Some(exponent) = exponent(&self.0) else { return self.0.to_string() };
        let (sign, digits) = match self.0[..at].strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", &self.0[..at]),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        // Where the point stands among all digits.
        let point = i32::try_from(whole.len()).unwrap_or(i32::MAX).saturating_add(exponent);
        let text = match usize::try_from(point) {
            Ok(point) if point >= all.len() => format!("{all}{}", "0".repeat(point - all.len())),
            Ok(point) if point > 0 => format!("{}.{}", &all[..point], &all[point..]),
            _ => format!("0.{}{all}", "0".repeat(point.unsigned_abs() as usize)),
        };
        // `01.5e0` is no JSON, but `0.15e1` is.
        let trimmed = text.trim_start_matches('0');
        let zero = if trimmed.is_empty() || trimmed.starts_with('.') { "0" } else { "" };
        format!("{sign}{zero}{trimmed}")
    }

    /// The whole number that it is, where it is one and 64 bits hold it; `5.0` is one, as in JSON Schema.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        if let Ok(whole) = self.0.parse() {
            return Some(whole);
        }
        let plain = self.plain();
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        if fraction.bytes().all(|digit| digit == b'0') { whole.parse().ok() } else { None }
    }
}

/// The power of ten that a number's text names; `None` where it is beyond all reach.
fn exponent(text: &str) -> Option<i32> {
    match text.find(['e', 'E']) {
        Some(at) => text[at + 1..].parse().ok(),
        None => Some(0),
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What JSON writers write as it is.
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
