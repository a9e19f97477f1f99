//! The rows of the table.

use super::{
    CompositeInfo, Member,
    MemberType::{Basic as B, Composite, Enum, List, Scalar},
};
use crate::Basic;

const fn required(name: &'static str, ty: super::MemberType, doc: &'static str) -> Member {
    Member { name, ty, required: true, doc }
}

const fn optional(name: &'static str, ty: super::MemberType, doc: &'static str) -> Member {
    Member { name, ty, required: false, doc }
}

/// The table.
pub static ALL: &[CompositeInfo] = &[
    CompositeInfo {
        name: "SimpleAddress",
        doc: "a postal address",
        members: &[
            required("street", B(Basic::Text), "street and house number"),
            required("city", B(Basic::Text), "the city"),
            required("state", B(Basic::Text), "state, province or region"),
            required("zipCode", Scalar("postalCode"), "the postal code"),
            optional("country", Scalar("countryCode"), "the country"),
        ],
        example: r#"{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115","country":"DE"}"#,
        good: &[
            r#"{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115","country":"DE"}"#,
            r#"{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115"}"#,
        ],
        bad: &[
            r#"{"street":"x"}"#,
            r#"{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"a"}"#,
            r#"{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115","planet":"Earth"}"#,
            r#"{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115","country":"de"}"#,
            r#"{"street":"Invalidenstr. 1","city":null,"state":"BE","zipCode":"10115"}"#,
            r#""Berlin""#,
            r#"[]"#,
        ],
    },
    CompositeInfo {
        name: "MoneyAmount",
        doc: "an amount of money in a currency",
        members: &[
            required("amount", Scalar("money"), "in major units"),
            required("currency", Scalar("currencyCode"), "of which currency"),
        ],
        example: r#"{"amount":"19.99","currency":"EUR"}"#,
        good: &[r#"{"amount":"19.99","currency":"EUR"}"#],
        bad: &[
            r#"{"amount":"19.99"}"#,
            r#"{"amount":"-1","currency":"EUR"}"#,
            r#"{"amount":"ten","currency":"EUR"}"#,
            r#"{"amount":1,"currency":"eur"}"#,
        ],
    },
    CompositeInfo {
        name: "PersonName",
        doc: "a person's name",
        members: &[
            required("firstName", B(Basic::Text), "first name"),
            required("lastName", B(Basic::Text), "last name"),
            optional("middleName", B(Basic::Text), "middle name"),
            optional("prefix", B(Basic::Text), "such as Dr."),
            optional("suffix", B(Basic::Text), "such as Jr."),
        ],
        example: r#"{"firstName":"Ada","lastName":"Lovelace","prefix":"Lady"}"#,
        good: &[
            r#"{"firstName":"Ada","lastName":"Lovelace","prefix":"Lady"}"#,
            r#"{"firstName":"Ada","lastName":"Lovelace"}"#,
        ],
        bad: &[r#"{"firstName":"Ada"}"#, r#"{"firstName":"Ada","lastName":"Lovelace","prefix":1}"#],
    },
    CompositeInfo {
        name: "ContactInfo",
        doc: "how somebody is reached",
        members: &[
            required("email", Scalar("email"), "e-mail"),
            optional("phone", Scalar("phoneNumber"), "telephone"),
            optional("website", Scalar("url"), "web site"),
        ],
        example: r#"{"email":"ada@example.eu","phone":"+493012345678"}"#,
        good: &[r#"{"email":"ada@example.eu","phone":"+493012345678"}"#, r#"{"email":"ada@example.eu"}"#],
        bad: &[r#"{}"#, r#"{"email":"nobody"}"#, r#"{"email":"ada@example.eu","phone":"030"}"#],
    },
    CompositeInfo {
        name: "Coordinates",
        doc: "a position on the earth",
        members: &[
            required("latitude", Scalar("latitude"), "degrees north"),
            required("longitude", Scalar("longitude"), "degrees east"),
            optional("altitude", B(Basic::Float), "metres above the sea"),
        ],
        example: r#"{"latitude":"52.5163","longitude":"13.3777","altitude":34.5}"#,
        good: &[
            r#"{"latitude":"52.5163","longitude":"13.3777","altitude":34.5}"#,
            r#"{"latitude":"52.5163","longitude":"13.3777"}"#,
        ],
        bad: &[
            r#"{"latitude":"52.5"}"#,
            r#"{"latitude":"91","longitude":"0"}"#,
            r#"{"latitude":"52.5163","longitude":"13.3777","altitude":"high"}"#,
        ],
    },
    CompositeInfo {
        name: "TimeRange",
        doc: "a span of the day",
        members: &[
            required("start", Scalar("time"), "when it begins"),
            required("end", Scalar("time"), "when it ends"),
        ],
        example: r#"{"start":"09:00:00","end":"17:30:00"}"#,
        good: &[r#"{"start":"09:00:00","end":"17:30:00"}"#],
        bad: &[
            r#"{"start":"09:00:00"}"#,
            r#"{"start":"9","end":"17:30:00"}"#,
            r#"{"start":"09:00:00","end":"24:00:00"}"#,
        ],
    },
    CompositeInfo {
        name: "DateRange",
        doc: "a span of days",
        members: &[
            required("start", Scalar("date"), "the first day"),
            optional("end", Scalar("date"), "the last day, if there is one"),
        ],
        example: r#"{"start":"2026-01-01","end":"2026-12-31"}"#,
        good: &[r#"{"start":"2026-01-01","end":"2026-12-31"}"#, r#"{"start":"2026-01-01"}"#],
        bad: &[r#"{"end":"2026-12-31"}"#, r#"{"start":"2026-02-30"}"#],
    },
    CompositeInfo {
        name: "PhoneNumber",
        doc: "a phone number and what it is for",
        members: &[
            required("number", Scalar("phoneNumber"), "the number"),
            optional("extension", B(Basic::Text), "the extension"),
            optional("type", Enum(&["mobile", "home", "work", "fax"]), "what it is for"),
        ],
        example: r#"{"number":"+493012345678","extension":"12","type":"work"}"#,
        good: &[r#"{"number":"+493012345678","extension":"12","type":"work"}"#, r#"{"number":"+493012345678"}"#],
        bad: &[r#"{"number":"12"}"#, r#"{"number":"+493012345678","type":"pager"}"#],
    },
    CompositeInfo {
        name: "EmailAddress",
        doc: "an e-mail address and what is known of it",
        members: &[
            required("address", Scalar("email"), "the address"),
            optional("label", B(Basic::Text), "what it is for"),
            optional("verified", B(Basic::Boolean), "whether it was verified"),
        ],
        example: r#"{"address":"ada@example.eu","verified":true}"#,
        good: &[r#"{"address":"ada@example.eu","verified":true}"#],
        bad: &[r#"{}"#, r#"{"address":"ada@example.eu","verified":"yes"}"#],
    },
    CompositeInfo {
        name: "URL",
        doc: "a link",
        members: &[required("url", Scalar("url"), "where it leads"), optional("title", B(Basic::Text), "its title")],
        example: r#"{"url":"https://example.eu/a","title":"A"}"#,
        good: &[r#"{"url":"https://example.eu/a","title":"A"}"#],
        bad: &[r#"{"title":"A"}"#, r#"{"url":"example.eu"}"#],
    },
    CompositeInfo {
        name: "Color",
        doc: "a colour with a name",
        members: &[required("hex", Scalar("color"), "the colour"), optional("name", B(Basic::Text), "its name")],
        example: r##"{"hex":"#1a2b3c","name":"night"}"##,
        good: &[r##"{"hex":"#1a2b3c","name":"night"}"##],
        bad: &[r#"{"name":"night"}"#, r#"{"hex":"blue"}"#],
    },
    CompositeInfo {
        name: "Dimensions",
        doc: "the size of a thing",
        members: &[
            required("length", B(Basic::Float), "length"),
            required("width", B(Basic::Float), "width"),
            required("height", B(Basic::Float), "height"),
            required("unit", Enum(&["mm", "cm", "m", "in", "ft"]), "the unit of all three"),
        ],
        example: r#"{"length":30.5,"width":20.0,"height":0.25,"unit":"cm"}"#,
        good: &[r#"{"length":30.5,"width":20.0,"height":0.25,"unit":"cm"}"#],
        bad: &[
            r#"{"length":1,"width":2,"height":3}"#,
            r#"{"length":1,"width":2,"height":3,"unit":"km"}"#,
            r#"{"length":"1","width":2,"height":3,"unit":"m"}"#,
        ],
    },
    CompositeInfo {
        name: "BusinessHours",
        doc: "when a place is open",
        members: &[
            optional("timezone", Scalar("timezone"), "in which time zone"),
            optional("monday", List(&Composite("TimeRange")), "on Monday"),
            optional("tuesday", List(&Composite("TimeRange")), "on Tuesday"),
            optional("wednesday", List(&Composite("TimeRange")), "on Wednesday"),
            optional("thursday", List(&Composite("TimeRange")), "on Thursday"),
            optional("friday", List(&Composite("TimeRange")), "on Friday"),
            optional("saturday", List(&Composite("TimeRange")), "on Saturday"),
            optional("sunday", List(&Composite("TimeRange")), "on Sunday"),
        ],
        example: r#"{"timezone":"Europe/Berlin","monday":[{"start":"09:00:00","end":"12:00:00"},{"start":"13:00:00","end":"17:30:00"}],"sunday":[]}"#,
        good: &[
            r#"{"timezone":"Europe/Berlin","monday":[{"start":"09:00:00","end":"12:00:00"},{"start":"13:00:00","end":"17:30:00"}],"sunday":[]}"#,
            r#"{}"#,
        ],
        bad: &[
            r#"{"monday":{"start":"09:00:00","end":"12:00:00"}}"#,
            r#"{"monday":[{"start":"09:00:00"}]}"#,
            r#"{"monday":[null]}"#,
            r#"{"moonday":[]}"#,
        ],
    },
    CompositeInfo {
        name: "Contact",
        doc: "a person to talk to",
        members: &[
            required("name", Composite("PersonName"), "who it is"),
            optional("email", Scalar("email"), "e-mail"),
            optional("phone", Scalar("phoneNumber"), "telephone"),
            optional("role", B(Basic::Text), "what they do"),
        ],
        example: r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"ada@example.eu","role":"programmer"}"#,
        good: &[
            r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"ada@example.eu","role":"programmer"}"#,
            r#"{"name":{"firstName":"Ada","lastName":"Lovelace"}}"#,
        ],
        bad: &[r#"{"email":"ada@example.eu"}"#, r#"{"name":"Ada"}"#, r#"{"name":{"firstName":"Ada"}}"#],
    },
    CompositeInfo {
        name: "Company",
        doc: "a company",
        members: &[
            required("name", B(Basic::Text), "what it is called"),
            optional("legalName", B(Basic::Text), "its name in the register"),
            optional("vatNumber", B(Basic::Text), "its VAT number"),
            optional("website", Scalar("url"), "web site"),
            optional("email", Scalar("email"), "e-mail"),
            optional("phone", Scalar("phoneNumber"), "telephone"),
            optional("address", Composite("SimpleAddress"), "where it sits"),
        ],
        example: r#"{"name":"Engines","website":"https://example.eu/a","address":{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115"}}"#,
        good: &[
            r#"{"name":"Engines","website":"https://example.eu/a","address":{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115"}}"#,
            r#"{"name":"Engines"}"#,
        ],
        bad: &[r#"{}"#, r#"{"name":"Engines","address":{"city":"Berlin"}}"#, r#"{"name":"Engines","website":"www"}"#],
    },
    CompositeInfo {
        name: "GeoLocation",
        doc: "a place on the map",
        members: &[
            required("coordinates", Composite("Coordinates"), "where it is"),
            optional("name", B(Basic::Text), "what it is called"),
            optional("address", Composite("SimpleAddress"), "its address"),
            optional("timezone", Scalar("timezone"), "its time zone"),
        ],
        example: r#"{"coordinates":{"latitude":"52.5163","longitude":"13.3777"},"name":"Office"}"#,
        good: &[r#"{"coordinates":{"latitude":"52.5163","longitude":"13.3777"},"name":"Office"}"#],
        bad: &[r#"{"name":"Office"}"#, r#"{"coordinates":[52,13]}"#, r#"{"coordinates":{"latitude":"1"}}"#],
    },
    CompositeInfo {
        name: "CurrencyExchange",
        doc: "a rate of exchange",
        members: &[
            required("from", Scalar("currencyCode"), "the currency that is given"),
            required("to", Scalar("currencyCode"), "the currency that is got"),
            required("rate", Scalar("exchangeRate"), "how much of `to` one of `from` is"),
            optional("date", Scalar("date"), "on which day"),
        ],
        example: r#"{"from":"EUR","to":"USD","rate":"1.0835","date":"2026-01-31"}"#,
        good: &[r#"{"from":"EUR","to":"USD","rate":"1.0835","date":"2026-01-31"}"#],
        bad: &[r#"{"from":"EUR","to":"USD"}"#, r#"{"from":"EUR","to":"USD","rate":"-1"}"#],
    },
];
