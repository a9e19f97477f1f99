//! `auth`: how calls are authenticated.

use specql_registry::http::{ApiKeyPlace, Auth};

use super::{
    decode::Decoder,
    http_service::is_header_name,
    setting::{credential, setting},
};
use crate::{
    diagnostics::rules::{sq0502_not_implemented::not_implemented, sq0503_no_credential::no_credential},
    keys::{Key, Shape, Table},
    source::yaml::Entry,
};

/// All forms of `auth`.
pub(super) static TABLES: &[&Table] = &[&BEARER, &BASIC, &API_KEY];

/// A token.
pub(super) static BEARER: Table = Table::new(
    "`auth` of the type bearer",
    &[
        Key::new("type", Shape::Words(&["bearer"]), "which of the forms this is").default("`auth_type`"),
        Key::new("token", Shape::Credential, "the token").required(),
    ],
);

/// A name and a password.
pub(super) static BASIC: Table = Table::new(
    "`auth` of the type basic",
    &[
        Key::new("type", Shape::Words(&["basic"]), "which of the forms this is").default("`auth_type`"),
        Key::new("username", Shape::Setting, "the name").required(),
        Key::new("password", Shape::Credential, "the password").default("an empty one"),
    ],
);

/// A key in a header or in the query.
pub(super) static API_KEY: Table = Table::new(
    "`auth` of the type api_key",
    &[
        Key::new("type", Shape::Words(&["api_key"]), "which of the forms this is").default("`auth_type`"),
        Key::new("header", Shape::Text, "the header that carries the key"),
        Key::new("query", Shape::Text, "the parameter of the URL that carries the key, instead of `header`"),
        Key::new("value", Shape::Credential, "the key").required(),
    ],
);

#[derive(Clone, Copy)]
enum Kind {
    Bearer,
    Basic,
    ApiKey,
    OAuth2,
}

/// Reads `auth`. `auth_type` is the original's place for its `type`, and without `auth` it names no credential.
pub(super) fn read(auth: Option<&Entry>, auth_type: Option<&Entry>, decoder: &mut Decoder) -> Option<Auth> {
    let Some(entry) = auth else {
        if let Some(entry) = auth_type {
            decoder.report(no_credential(entry.key_span));
        }
        return None;
    };
    let mut fields = decoder.fields(&entry.value, &BEARER)?;
    let span = fields.span;
    let written = fields.take("type");
    if let (Some(one), Some(other)) = (written, auth_type)
        && one.value.value != other.value.value
    {
        decoder.bad(other.key_span, "`auth_type` and the `type` of `auth` differ; remove `auth_type`");
    }
    let Some(kind) = written.or(auth_type) else {
        decoder.bad(span, "`auth` needs a `type`: bearer, basic or api_key");
        return None;
    };
    let kinds = [("bearer", Kind::Bearer), ("basic", Kind::Basic), ("api_key", Kind::ApiKey), ("oauth2", Kind::OAuth2)];
    let kind_span = kind.value.span;
    let kind = decoder.word(kind, &kinds)?;
    fields.table = match kind {
        Kind::Bearer | Kind::OAuth2 => &BEARER,
        Kind::Basic => &BASIC,
        Kind::ApiKey => &API_KEY,
    };
    let auth = match kind {
        Kind::Bearer => {
            let token = fields.take("token");
            if token.is_none() {
                decoder.bad(kind_span, "bearer authentication needs `token: {env: NAME}`");
            }
            token.and_then(|entry| credential(entry, decoder)).map(|token| Auth::Bearer { token })
        }
        Kind::Basic => {
            let (username, password) = (fields.take("username"), fields.take("password"));
            if username.is_none() {
                decoder.bad(kind_span, "basic authentication needs a `username`");
            }
            let password = password.and_then(|entry| credential(entry, decoder));
            username.and_then(|entry| setting(entry, decoder)).map(|username| Auth::Basic { username, password })
        }
        Kind::ApiKey => {
            let (header, query, value) = (fields.take("header"), fields.take("query"), fields.take("value"));
            let place = match (header, query) {
                (Some(entry), None) => Some((ApiKeyPlace::Header, entry)),
                (None, Some(entry)) => Some((ApiKeyPlace::Query, entry)),
                _ => None,
            };
            if place.is_none() || value.is_none() {
                decoder.bad(kind_span, "an API key needs `value: {env: NAME}`, and either `header` or `query`");
            }
            let value = value.and_then(|entry| credential(entry, decoder));
            place.zip(value).and_then(|((place, entry), value)| {
                let name = decoder.text(entry)?;
                if place == ApiKeyPlace::Header && !is_header_name(&name) {
                    decoder.bad(entry.value.span, format!("`{name}` is no header name"));
                }
                Some(Auth::ApiKey { place, name, value })
            })
        }
        Kind::OAuth2 => {
            decoder.report(not_implemented(kind_span, "`oauth2` authentication"));
            return None;
        }
    };
    decoder.finish(fields);
    auth
}
