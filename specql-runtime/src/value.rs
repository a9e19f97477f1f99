//! Rust types of the language's types: what generated code names.
//!
//! A text scalar (`email`, `currencyCode`, …) is a newtype around `String` that can only hold what its pattern in
//! [`specql_registry::scalars`] allows: the same pattern that stands in the table's CHECK. Other types are those of
//! well-known crates under the language's names, so that a user's crate needs no dependency for them.

mod change;
mod duration;
mod enumeration;
mod number;
mod point;
mod row;
mod text;

pub use change::{bigint_change, change};
pub use chrono::{DateTime, NaiveDate as Date, NaiveTime as Time, Utc};
pub use duration::Duration;
pub use enumeration::UnknownValue;
pub use ipnetwork::IpNetwork;
pub use mac_address::MacAddress;
pub use number::{bigint, bigint_as_text};
pub use point::Point;
pub use row::from_view;
pub use rust_decimal::Decimal;
pub use serde_json::Value as Json;
pub use text::{
    AirportCode, ApiKey, Color, ContainerNumber, CountryCode, CurrencyCode, Cusip, DomainName, Email, ExchangeCode,
    File, FlightNumber, HashSha256, Html, Iban, Image, InvalidText, Isin, LanguageCode, Lei, LicensePlate, LocaleCode,
    Markdown, Mic, MimeType, PhoneNumber, PortCode, PostalCode, Sedol, SemanticVersion, Slug, StockSymbol, SwiftCode,
    Timezone, TrackingNumber, Url, Vin,
};
pub use uuid::Uuid;

/// A point in time: `timestamp`.
pub type Timestamp = DateTime<Utc>;
