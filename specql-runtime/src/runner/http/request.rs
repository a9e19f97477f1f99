//! From a plan to the bytes of a request: settings resolved, URL and headers checked, body encoded and signed.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use specql_registry::{
    FailureClass, Json, Setting,
    http::{ApiKeyPlace, Auth, HttpService, Method},
    json::Object,
};
use url::Url;
use uuid::Uuid;

use super::{
    failure::{failure, unset},
    form,
    guard::{self, Chosen},
    header, path,
    plan::{PlannedPayload, PlannedUrl, RequestPlan},
    planned::{as_is, resolve},
    webhook,
};
use crate::runner::{Failure, Settings};

/// A request that may be sent as it is.
pub(super) struct Request {
    pub(super) method: reqwest::Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Resolves a plan. `now` is the time of the attempt in seconds since 1970, for a signature.
pub(super) fn build(
    plan: &RequestPlan,
    service: &HttpService,
    settings: &Settings,
    job: Uuid,
    now: i64,
) -> Result<Request, Failure> {
    let mut url = build_url(&plan.url, service, settings)?;
    let mut parameters = Vec::new();
    for (name, value) in &plan.query {
        parameters.extend(value.resolve(settings, name, as_is)?.map(|value| (name.as_str(), value)));
    }
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    for planned in &plan.headers {
        if let Some(text) = planned.value.resolve(settings, &planned.name, as_is)? {
            let name = checked_name(&planned.name)?;
            headers.insert(name, header::value(&planned.name, &text, planned.class)?);
        }
    }
    if let Some(auth) = &plan.auth {
        match authenticate(auth, settings)? {
            Credential::Header(name, value) => {
                headers.insert(name, value);
            }
            Credential::Parameter(name, value) => parameters.push((name, value)),
        }
    }
    // An empty pair of brackets would leave a `?` behind.
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    let (content_type, body) = build_body(&plan.body, settings)?;
    if let Some(content_type) = content_type {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    }
    if body.is_empty() && !matches!(plan.method, Method::Get | Method::Delete) {
        // RFC 9110 §8.6; some servers answer 411 without it.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if let Some(secret) = &plan.signing_secret {
        sign(&mut headers, secret, settings, job, now, &body)?;
    }
    Ok(Request { method: method(plan.method), url, headers, body })
}

fn build_url(url: &PlannedUrl, service: &HttpService, settings: &Settings) -> Result<Url, Failure> {
    let check = |text: &str, chosen| guard::check(text, chosen, &service.policy, service.plaintext);
    match url {
        PlannedUrl::Below { base, path: planned } => {
            let base = resolve(base, settings, "base_url")?;
            if base.contains(['?', '#']) {
                return Err(failure(FailureClass::PolicyDenied, format!("`base_url`: {}", guard::QUERY_IN_BASE)));
            }
            let path = planned
                .resolve(settings, "path", path::encode)?
                .ok_or_else(|| unset("a setting that is part of the URL's path is not set"))?;
            if path::climbs(&path) {
                let message = "the inputs together make a `.` or `..` segment of the URL's path";
                return Err(failure(FailureClass::InvalidInput, message));
            }
            check(&format!("{}{path}", base.trim_end_matches('/')), Chosen::ByRegistry)
        }
        PlannedUrl::Input(text) => check(text, Chosen::ByInput),
        PlannedUrl::Target(setting) => check(&resolve(setting, settings, "url")?, Chosen::ByRegistry),
    }
}

enum Credential<'a> {
    Header(HeaderName, HeaderValue),
    Parameter(&'a str, String),
}

fn authenticate<'a>(auth: &'a Auth, settings: &Settings) -> Result<Credential<'a>, Failure> {
    let secret = |key: &str, setting: &Setting| {
        settings.resolve_credential(setting).map_err(|error| unset(format!("auth `{key}`: {error}")))
    };
    let in_header = |name: HeaderName, text: &str| {
        let mut value = header::value(name.as_str(), text, FailureClass::PolicyDenied)?;
        value.set_sensitive(true);
        Ok(Credential::Header(name, value))
    };
    match auth {
        Auth::Bearer { token } => in_header(AUTHORIZATION, &format!("Bearer {}", secret("token", token)?)),
        Auth::Basic { username, password } => {
            let username = resolve(username, settings, "username")?;
            let password = password.as_ref().map(|password| secret("password", password)).transpose()?;
            let pair = STANDARD.encode(format!("{username}:{}", password.unwrap_or_default()));
            settings.remember(&pair);
            in_header(AUTHORIZATION, &format!("Basic {pair}"))
        }
        Auth::ApiKey { place: ApiKeyPlace::Header, name, value } => {
            in_header(checked_name(name)?, &secret("value", value)?)
        }
        Auth::ApiKey { place: ApiKeyPlace::Query, name, value } => {
            Ok(Credential::Parameter(name, secret("value", value)?))
        }
    }
}

fn build_body(body: &PlannedPayload, settings: &Settings) -> Result<(Option<&'static str>, Vec<u8>), Failure> {
    let empty = || Json::Object(Object::new());
    Ok(match body {
        PlannedPayload::None => (None, Vec::new()),
        PlannedPayload::Json(planned) => {
            let body = planned.resolve(settings, "body")?.unwrap_or_else(empty);
            (Some("application/json"), body.to_string().into_bytes())
        }
        PlannedPayload::Form(planned) => {
            let body = planned.resolve(settings, "body")?.unwrap_or_else(empty);
            (Some("application/x-www-form-urlencoded"), form::encode(&body).into_bytes())
        }
    })
}

fn sign(
    headers: &mut HeaderMap,
    secret: &Setting,
    settings: &Settings,
    job: Uuid,
    now: i64,
    body: &[u8],
) -> Result<(), Failure> {
    let denied = |why: &str| failure(FailureClass::PolicyDenied, format!("webhook: {why}"));
    let secret = settings.resolve_credential(secret).map_err(|error| unset(format!("webhook: {error}")))?;
    let id = job.to_string();
    let signature = webhook::sign(&secret, &id, now, body).map_err(denied)?;
    for (name, text) in
        [("webhook-id", id.as_str()), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &signature)]
    {
        headers.insert(HeaderName::from_static(name), header::value(name, text, FailureClass::PolicyDenied)?);
    }
    Ok(())
}

fn checked_name(name: &str) -> Result<HeaderName, Failure> {
    header::name(name, false).map_err(|message| failure(FailureClass::PolicyDenied, message))
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}
