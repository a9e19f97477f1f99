//! Rust types of the language's types: what generated code names.
//!
//! A text scalar (`email`, `currencyCode`, …) is a newtype around `String` that can only hold what its pattern in
//! [`specql_registry::scalars`] allows: the same pattern that stands in the table's CHECK. Other types are those of
//! well-known crates under the language's names, so that a user's crate needs no dependency for them.

mod enumeration;
mod number;
mod text;

pub use chrono::{DateTime, NaiveDate as Date, Utc};
pub use enumeration::UnknownValue;
pub use number::{bigint, bigint_as_text};
pub use rust_decimal::Decimal;
pub use serde_json::Value as Json;
pub use text::{CurrencyCode, Email, InvalidText, Url};
pub use uuid::Uuid;

/// A point in time: `timestamp`.
pub type Timestamp = DateTime<Utc>;
