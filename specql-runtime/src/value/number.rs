//! How 64 bit integers travel in JSON.
//!
//! A JSON number is exact up to 2^53 in many a reader, so views and results print a bigint as text, while a service's
//! input carries a number. Either is read here, alone, in an `Option` and in lists. (`Decimal` reads both by itself
//! and is always written as text.)

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A shape around `i64` that [`bigint`] and [`bigint_as_text`] know: itself, `Option`, `Vec`.
pub trait Bigint: Sized {
    /// The same shape around `T`.
    type Of<T>;

    #[doc(hidden)]
    fn convert<T>(value: Self::Of<T>, convert: fn(T) -> i64) -> Self;
    #[doc(hidden)]
    fn map<T>(&self, convert: fn(i64) -> T) -> Self::Of<T>;
}

impl Bigint for i64 {
    type Of<T> = T;

    fn convert<T>(value: T, convert: fn(T) -> i64) -> Self {
        convert(value)
    }

    fn map<T>(&self, convert: fn(i64) -> T) -> T {
        convert(*self)
    }
}

impl<B: Bigint> Bigint for Option<B> {
    type Of<T> = Option<B::Of<T>>;

    fn convert<T>(value: Self::Of<T>, convert: fn(T) -> i64) -> Self {
        value.map(|value| B::convert(value, convert))
    }

    fn map<T>(&self, convert: fn(i64) -> T) -> Self::Of<T> {
        self.as_ref().map(|value| value.map(convert))
    }
}

impl<B: Bigint> Bigint for Vec<B> {
    type Of<T> = Vec<B::Of<T>>;

    fn convert<T>(value: Self::Of<T>, convert: fn(T) -> i64) -> Self {
        value.into_iter().map(|value| B::convert(value, convert)).collect()
    }

    fn map<T>(&self, convert: fn(i64) -> T) -> Self::Of<T> {
        self.iter().map(|value| value.map(convert)).collect()
    }
}

/// Writes a number: inputs of services and actions.
pub mod bigint {
    use super::{Bigint, Deserialize, Deserializer, Lenient, Serialize, Serializer};

    /// Writes a number.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<B, S>(value: &B, serializer: S) -> Result<S::Ok, S::Error>
    where
        B: Bigint + Serialize,
        S: Serializer,
    {
        value.serialize(serializer)
    }

    /// Reads a number or a text.
    ///
    /// # Errors
    /// When it is neither, or does not fit 64 bits.
    pub fn deserialize<'de, B, D>(deserializer: D) -> Result<B, D::Error>
    where
        B: Bigint<Of<Lenient>: Deserialize<'de>>,
        D: Deserializer<'de>,
    {
        Ok(B::convert(B::Of::<Lenient>::deserialize(deserializer)?, |value| value.0))
    }
}

/// Writes a text: rows, in the shape of the views.
pub mod bigint_as_text {
    pub use super::bigint::deserialize;
    use super::{Bigint, Serialize, Serializer};

    /// Writes a text.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<B, S>(value: &B, serializer: S) -> Result<S::Ok, S::Error>
    where
        B: Bigint<Of<String>: Serialize>,
        S: Serializer,
    {
        value.map(|number| number.to_string()).serialize(serializer)
    }
}

/// An `i64` that is read from a number or a text.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Lenient(i64);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Lenient;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a 64 bit integer, as a number or a text")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Lenient, E> {
        Ok(Lenient(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Lenient, E> {
        i64::try_from(value).map(Lenient).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    /// How a text's number arrives in a build in which somebody asked for `serde_json/arbitrary_precision`.
    fn visit_map<A: de::MapAccess<'de>>(self, mut number: A) -> Result<Lenient, A::Error> {
        match number.next_entry::<String, String>()? {
            Some((key, digits)) if key == "$serde_json::private::Number" => self.visit_str(&digits),
            _ => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Lenient, E> {
        value.parse().map(Lenient).map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        #[serde(with = "bigint_as_text")]
        text: i64,
        #[serde(with = "bigint")]
        number: i64,
        #[serde(default, with = "bigint_as_text")]
        optional: Option<i64>,
        #[serde(with = "bigint")]
        list: Vec<i64>,
    }

    #[test]
    fn a_bigint_is_read_from_text_and_number() {
        let row: Row =
            serde_json::from_str(r#"{"text": "9007199254740993", "number": 9007199254740993, "list": [1, "-2"]}"#)
                .unwrap();
        let expected =
            Row { text: 9_007_199_254_740_993, number: 9_007_199_254_740_993, optional: None, list: vec![1, -2] };
        assert_eq!(row, expected);
    }

    #[test]
    fn rows_write_text_and_inputs_write_numbers() {
        let row = Row { text: i64::MAX, number: 7, optional: Some(-1), list: vec![1] };
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"text":"9223372036854775807","number":7,"optional":"-1","list":[1]}"#
        );
    }

    #[test]
    fn a_bigint_is_read_in_a_build_with_arbitrary_precision() {
        let read = |key: &str, digits: &str| {
            let members = [(key.to_owned(), digits.to_owned())].into_iter();
            Lenient::deserialize(de::value::MapDeserializer::<_, de::value::Error>::new(members)).map(|read| read.0)
        };
        assert_eq!(read("$serde_json::private::Number", "9007199254740993"), Ok(9_007_199_254_740_993));
        assert!(read("$serde_json::private::Number", "1.5").is_err());
        assert!(read("number", "1").is_err());
    }

    #[test]
    fn what_is_no_64_bit_integer_is_refused() {
        for text in [r#""9223372036854775808""#, "9223372036854775808", "1.5", r#""1.0""#, "true"] {
            assert!(serde_json::from_str::<Lenient>(text).is_err(), "{text}");
        }
    }
}
