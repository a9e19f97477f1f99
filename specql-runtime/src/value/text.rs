//! Text scalars: checked newtypes.

use std::{fmt, str::FromStr, sync::LazyLock};

use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use specql_registry::scalars::Scalar;
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
};

/// A text that its type does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}, such as `{example}`")]
#[non_exhaustive]
pub struct InvalidText {
    /// What was given.
    pub text: String,
    /// What would be right: `an e-mail address`.
    pub expected: &'static str,
    /// A text that fits.
    pub example: &'static str,
}

/// A pattern of the scalar table, compiled when it is first needed.
struct Rule {
    scalar: Scalar,
    pattern: Option<Regex>,
}

impl Rule {
    fn of(name: &str) -> Self {
        let scalar = Scalar::from_name(name).expect("the test below compares this file with the table");
        let pattern =
            scalar.info().pattern.map(|text| Regex::new(text).expect("the test below compiles every pattern"));
        Self { scalar, pattern }
    }

    fn check(&self, text: String) -> Result<String, InvalidText> {
        // PostgreSQL's TEXT cannot hold NUL, whatever the pattern says.
        let fits = self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&text)) && !text.contains('\0');
        if fits {
            Ok(text)
        } else {
            let info = self.scalar.info();
            Err(InvalidText { text, expected: info.doc, example: info.example })
        }
    }
}

macro_rules! text_scalars {
    ($($(#[$doc:meta])* $name:ident = $yaml:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(String);

            impl $name {
                /// Checks a text.
                ///
                /// # Errors
                /// When the type does not allow it.
                pub fn new(text: impl Into<String>) -> Result<Self, InvalidText> {
                    static RULE: LazyLock<Rule> = LazyLock::new(|| Rule::of($yaml));
                    RULE.check(text.into()).map(Self)
                }

                /// The text.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }

                /// The text, taken out.
                #[must_use]
                pub fn into_string(self) -> String {
                    self.0
                }
            }

            impl FromStr for $name {
                type Err = InvalidText;

                fn from_str(text: &str) -> Result<Self, InvalidText> {
                    Self::new(text)
                }
            }

            impl TryFrom<String> for $name {
                type Error = InvalidText;

                fn try_from(text: String) -> Result<Self, InvalidText> {
                    Self::new(text)
                }
            }

            impl From<$name> for String {
                fn from(value: $name) -> Self {
                    value.0
                }
            }

            impl AsRef<str> for $name {
                fn as_ref(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.pad(&self.0)
                }
            }

            impl Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(&self.0)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
                }
            }

            impl Type<Postgres> for $name {
                fn type_info() -> PgTypeInfo {
                    <str as Type<Postgres>>::type_info()
                }

                fn compatible(ty: &PgTypeInfo) -> bool {
                    <str as Type<Postgres>>::compatible(ty)
                }
            }

            impl PgHasArrayType for $name {
                fn array_type_info() -> PgTypeInfo {
                    <&str as PgHasArrayType>::array_type_info()
                }
            }

            impl Encode<'_, Postgres> for $name {
                fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
                    <&str as Encode<'_, Postgres>>::encode_by_ref(&self.as_str(), buffer)
                }
            }

            impl Decode<'_, Postgres> for $name {
                fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
                    Ok(Self::new(<String as Decode<'_, Postgres>>::decode(value)?)?)
                }
            }
        )+

        /// YAML name and Rust name of every newtype above.
        #[cfg(test)]
        const NEWTYPES: &[(&str, &str)] = &[$(($yaml, stringify!($name))),+];
    };
}

text_scalars! {
    /// An e-mail address: `email`.
    Email = "email";
    /// A phone number in the form of E.164: `phoneNumber`.
    PhoneNumber = "phoneNumber";
    /// An http or https URL: `url`.
    Url = "url";
    /// Lower-case words and numbers joined by hyphens: `slug`.
    Slug = "slug";
    /// A colour as # and 3, 4, 6 or 8 hexadecimal digits: `color`.
    Color = "color";
    /// An ISO 639 language code: `languageCode`.
    LanguageCode = "languageCode";
    /// A locale: language, script and region: `localeCode`.
    LocaleCode = "localeCode";
    /// The name of a time zone in the IANA database: `timezone`.
    Timezone = "timezone";
    /// An ISO 4217 currency code: `currencyCode`.
    CurrencyCode = "currencyCode";
    /// An ISO 3166-1 alpha-2 country code: `countryCode`.
    CountryCode = "countryCode";
    /// A media type: `mimeType`.
    MimeType = "mimeType";
    /// A semantic version: `semanticVersion`.
    SemanticVersion = "semanticVersion";
    /// A ticker symbol: `stockSymbol`.
    StockSymbol = "stockSymbol";
    /// An ISIN (ISO 6166): `isin`.
    Isin = "isin";
    /// A CUSIP: `cusip`.
    Cusip = "cusip";
    /// A SEDOL: `sedol`.
    Sedol = "sedol";
    /// A legal entity identifier (ISO 17442): `lei`.
    Lei = "lei";
    /// A market identifier code (ISO 10383): `mic`.
    Mic = "mic";
    /// The short name of an exchange: `exchangeCode`.
    ExchangeCode = "exchangeCode";
    /// A parcel's tracking number: 8 to 40 capitals and digits: `trackingNumber`.
    TrackingNumber = "trackingNumber";
    /// A shipping container's number (ISO 6346): `containerNumber`.
    ContainerNumber = "containerNumber";
    /// A vehicle's registration plate: `licensePlate`.
    LicensePlate = "licensePlate";
    /// A vehicle identification number (ISO 3779): `vin`.
    Vin = "vin";
    /// A flight's number: `flightNumber`.
    FlightNumber = "flightNumber";
    /// A UN/LOCODE: `portCode`.
    PortCode = "portCode";
    /// A postal code: 3 to 10 capitals, digits, blanks and hyphens: `postalCode`.
    PostalCode = "postalCode";
    /// An IATA airport code: `airportCode`.
    AirportCode = "airportCode";
    /// A domain name: `domainName`.
    DomainName = "domainName";
    /// An API key: 16 to 128 letters, digits, dots, hyphens and underscores: `apiKey`.
    ApiKey = "apiKey";
    /// A SHA-256 as 64 lower-case hexadecimal digits: `hashSHA256`.
    HashSha256 = "hashSHA256";
    /// An IBAN without blanks: `iban`.
    Iban = "iban";
    /// A SWIFT code (ISO 9362): `swiftCode`.
    SwiftCode = "swiftCode";
    /// Text in Markdown: `markdown`.
    Markdown = "markdown";
    /// Text in HTML: `html`.
    Html = "html";
    /// Where an image is: a URL or a path: `image`.
    Image = "image";
    /// Where a file is: a URL or a path: `file`.
    File = "file";
}

#[cfg(test)]
mod tests {
    use specql_registry::scalars::{ALL, ScalarBase};

    use super::*;

    #[test]
    fn every_text_scalar_of_the_table_has_a_newtype_of_its_name() {
        let mut expected: Vec<_> = ALL
            .iter()
            .filter(|info| info.base == ScalarBase::Text)
            .map(|info| (info.name, info.rust.to_owned()))
            .collect();
        expected.sort();
        let mut ours: Vec<_> = NEWTYPES.iter().map(|(yaml, name)| (*yaml, (*name).to_owned())).collect();
        ours.sort();
        assert_eq!(ours, expected);
    }

    #[test]
    fn every_pattern_compiles_and_takes_its_example() {
        for info in ALL.iter().filter(|info| info.base == ScalarBase::Text) {
            Rule::of(info.name).check(info.example.to_owned()).unwrap();
        }
    }

    #[test]
    fn an_error_says_what_would_be_right() {
        let error = "ada at example".parse::<Email>().unwrap_err();
        assert_eq!(error.to_string(), "\"ada at example\" is not an e-mail address, such as `ada@example.eu`");
    }

    #[test]
    fn the_pattern_covers_the_whole_text() {
        assert!("eur".parse::<CurrencyCode>().is_err());
        assert!("EUR\n".parse::<CurrencyCode>().is_err());
        assert!("xEUR".parse::<CurrencyCode>().is_err());
    }

    #[test]
    fn json_cannot_bring_in_what_parsing_refuses() {
        assert!(serde_json::from_str::<Email>("\"nobody\"").is_err());
        let email: Email = serde_json::from_str("\"ada@example.eu\"").unwrap();
        assert_eq!(serde_json::to_string(&email).unwrap(), "\"ada@example.eu\"");
    }
}
