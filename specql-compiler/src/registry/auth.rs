//! `auth`: how calls are authenticated.

use specql_registry::http::{ApiKeyPlace, Auth};

use super::{
    decode::Decoder,
    http_service::is_header_name,
    setting::{credential, setting},
};
use crate::{diagnostics::rules::sq0502_not_implemented::not_implemented, source::yaml::Entry};

#[derive(Clone, Copy)]
enum Kind {
    Bearer,
    Basic,
    ApiKey,
    OAuth2,
}

/// Reads `auth`.
pub(super) fn read(entry: &Entry, decoder: &mut Decoder) -> Option<Auth> {
    let mut fields = decoder.fields(&entry.value, "`auth`")?;
    let span = fields.span;
    let Some(kind) = fields.take("type") else {
        decoder.bad(span, "`auth` needs a `type`: bearer, basic or api_key");
        return None;
    };
    let kinds = [("bearer", Kind::Bearer), ("basic", Kind::Basic), ("api_key", Kind::ApiKey), ("oauth2", Kind::OAuth2)];
    let kind_span = kind.value.span;
    let auth = match decoder.word(kind, &kinds)? {
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
