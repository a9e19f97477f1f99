//! What the environment lacks that a service's calls would need, found before a job is claimed.
//!
//! Only what is configured for every call: a default of an input is needed by the jobs that do not give it, and said by these.

use specql_registry::{
    FailureClass, Setting,
    http::{ApiKeyPlace, Auth, HttpOperation, HttpService},
    setting::names_credential,
    template::BodyTemplate,
};

use super::{header, webhook};
use crate::runner::Settings;

/// What a value must be besides being there.
#[derive(Clone, Copy)]
enum Fit<'a> {
    /// Anything.
    Any,
    /// Not empty, on one line.
    Line,
    /// What the header of that name can carry.
    Header(&'a str),
    /// That, and not empty.
    HeaderCredential(&'a str),
    /// A key that signs webhooks.
    SigningKey,
}

struct Look<'a> {
    settings: &'a Settings,
    lacking: Vec<String>,
}

/// Each setting of the service's configuration and of the call that has no value, or one that cannot be sent.
pub(super) fn lacks(service: &HttpService, call: &HttpOperation, settings: &Settings) -> Vec<String> {
    let mut look = Look { settings, lacking: Vec::new() };
    if let Some(base) = &service.base_url {
        look.at("base_url", base, Fit::Line);
    }
    match &service.auth {
        None => {}
        Some(Auth::Bearer { token }) => look.at("auth `token`", token, Fit::HeaderCredential("Authorization")),
        Some(Auth::Basic { username, password }) => {
            look.at("auth `username`", username, Fit::Any);
            if let Some(password) = password {
                look.at("auth `password`", password, Fit::Any);
            }
        }
        Some(Auth::ApiKey { place: ApiKeyPlace::Header, name, value }) => {
            look.at("auth `value`", value, Fit::HeaderCredential(name));
        }
        Some(Auth::ApiKey { place: ApiKeyPlace::Query, value, .. }) => look.at("auth `value`", value, Fit::Line),
    }
    for (name, value) in &service.headers {
        let fit = if names_credential(name) { Fit::HeaderCredential(name) } else { Fit::Header(name) };
        look.at(&format!("header `{name}`"), value, fit);
    }
    for (name, target) in &service.targets {
        look.at(&format!("target `{name}`, `url`"), &target.url, Fit::Line);
        look.at(&format!("target `{name}`, `secret`"), &target.secret, Fit::SigningKey);
    }
    if let Some(secret) = &service.signing_secret {
        look.at("signing_secret", secret, Fit::SigningKey);
    }
    if let Some(body) = &call.body_template {
        look.body("body", body);
    }
    look.lacking
}

impl Look<'_> {
    fn at(&mut self, place: &str, setting: &Setting, fit: Fit<'_>) {
        let source = match setting {
            // The compiler has seen it.
            Setting::Literal(_) => return,
            Setting::Env { name, .. } => format!("environment variable `{name}`"),
            Setting::Secret(name) => format!("secret `{name}`"),
        };
        let credential = !matches!(fit, Fit::Any | Fit::Header(_)) || names_credential(place);
        let value = if credential { self.settings.resolve_credential(setting) } else { self.settings.resolve(setting) };
        let wrong = match value {
            Err(error) => Some(error.to_string()),
            Ok(value) => misfit(&value, fit).map(|why| format!("{source} {why}")),
        };
        self.lacking.extend(wrong.map(|wrong| format!("{place}: {wrong}")));
    }

    fn body(&mut self, place: &str, template: &BodyTemplate) {
        match template {
            BodyTemplate::Setting(setting) => self.at(&format!("body `{place}`"), setting, Fit::Any),
            BodyTemplate::Array(items) => items.iter().for_each(|item| self.body(place, item)),
            BodyTemplate::Object(members) => members.iter().for_each(|(key, member)| self.body(key, member)),
            BodyTemplate::Constant(_) | BodyTemplate::Field(_) | BodyTemplate::Text(_) => {}
        }
    }
}

/// What is wrong with a value, without showing it.
fn misfit(value: &str, fit: Fit<'_>) -> Option<String> {
    let needed = matches!(fit, Fit::Line | Fit::HeaderCredential(_) | Fit::SigningKey);
    if needed && value.is_empty() {
        return Some("is empty".into());
    }
    match fit {
        Fit::Any => None,
        Fit::Line => value.contains(char::is_control).then(|| "holds a line break or a control character".into()),
        Fit::Header(name) | Fit::HeaderCredential(name) => {
            let refused = header::value(name, value, FailureClass::PolicyDenied).err()?;
            Some(format!("is of no use: {}", refused.message))
        }
        Fit::SigningKey => webhook::sign(value, "", 0, b"").err().map(|why| format!("is of no use: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lacking(service: &serde_json::Value, env: &[(&str, &str)]) -> Vec<String> {
        let mut whole = json!({
            "base_url": {"literal": "https://api.example.eu"}, "auth": null, "headers": {}, "body": "json",
            "max_response_bytes": 1000, "plaintext": false, "targets": {},
            "policy": {"allowed_hosts": [], "allow_private_network": false, "allow_any_public_host": false},
        });
        for (key, value) in service.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let call = json!({
            "method": "POST", "target": {"path": [{"text": "/"}]}, "query": {}, "headers": {}, "body": "json",
            "body_template": {"object": {"from": {"setting": {"env": {"name": "FROM", "default": "us"}}}}},
            "idempotency_header": null, "success": [], "retry_on": null, "output": null,
        });
        let settings = Settings::new(env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        lacks(&serde_json::from_value(whole).unwrap(), &serde_json::from_value(call).unwrap(), &settings)
    }

    fn env(name: &str) -> serde_json::Value {
        json!({"env": {"name": name, "default": null}})
    }

    #[test]
    fn every_setting_of_the_configuration_is_looked_at() {
        let service = json!({
            "base_url": env("NO_BASE"),
            "auth": {"type": "basic", "username": env("NO_USER"), "password": {"secret": "no_password"}},
            "headers": {"X-Region": env("NO_REGION")},
            "targets": {"far": {"url": env("NO_URL"), "secret": env("NO_KEY")}},
            "signing_secret": env("NO_SIGNING"),
        });
        let places: Vec<String> =
            lacking(&service, &[]).iter().map(|said| said.split(": ").next().unwrap().to_owned()).collect();
        assert_eq!(
            places,
            [
                "base_url",
                "auth `username`",
                "auth `password`",
                "header `X-Region`",
                "target `far`, `url`",
                "target `far`, `secret`",
                "signing_secret"
            ]
        );
        assert_eq!(lacking(&json!({}), &[]), Vec::<String>::new(), "a default is a value");
    }

    #[test]
    fn a_credential_that_cannot_be_sent_is_as_good_as_none() {
        let bearer = json!({"auth": {"type": "bearer", "token": env("TOKEN")}});
        let said = |value: &str| lacking(&bearer, &[("TOKEN", value)]).pop();
        assert_eq!(said("hunter2hunter2"), None);
        assert_eq!(said("hunter2hunter2\n"), None, "trimmed, as a secret file is");
        assert_eq!(said("").as_deref(), Some("auth `token`: environment variable `TOKEN` is empty"));
        for value in ["hunter2\nhunter2", "hunter2hunter2\n\n", "hunter2\0hunter2", "hünter2hunter2"] {
            let said = said(value).unwrap();
            assert!(said.starts_with("auth `token`: environment variable `TOKEN` is of no use: header"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        let query = json!({"auth": {"type": "api_key", "place": "query", "name": "key", "value": env("TOKEN")}});
        assert_eq!(
            lacking(&query, &[("TOKEN", "hunter2\thunter2")]),
            ["auth `value`: environment variable `TOKEN` holds a line break or a control character"]
        );
        let signing = json!({"signing_secret": env("KEY")});
        assert!(lacking(&signing, &[("KEY", "no base64!")])[0].contains("must be `whsec_` and base64"));
        assert_eq!(lacking(&signing, &[("KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]), Vec::<String>::new());
    }
}
