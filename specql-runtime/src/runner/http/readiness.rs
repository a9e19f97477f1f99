//! What the environment lacks that a service's calls would need, found before a job is claimed.
//!
//! Only what is configured for every call: a default of an input is needed by the jobs that do not give it, and said by these.

use base64::{Engine, engine::general_purpose::STANDARD};
use specql_registry::{
    FailureClass, Setting,
    http::{ApiKeyPlace, Auth, HttpOperation, HttpService},
    setting::names_credential,
    template::BodyTemplate,
};

use super::{guard, header, webhook};
use crate::runner::Settings;

/// What a value must be besides being there.
#[derive(Clone, Copy)]
enum Fit<'a> {
    /// Anything.
    Any,
    /// Not empty, on one line.
    Line,
    /// A URL to which paths are appended.
    Base(&'a HttpService),
    /// A whole URL.
    Url(&'a HttpService),
    /// What the header of that name can carry.
    Header(&'a str),
    /// That, and not empty.
    HeaderCredential(&'a str),
    /// Not empty, and `Authorization` can carry it behind this word.
    Authorization(&'a str),
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
        look.at("base_url", base, Fit::Base(service));
    }
    match &service.auth {
        None => {}
        Some(Auth::Bearer { token }) => look.at("auth `token`", token, Fit::Authorization("Bearer")),
        Some(Auth::Basic { username, password }) => {
            look.at("auth `username`", username, Fit::Any);
            if let Some(password) = password {
                look.at("auth `password`", password, Fit::Any);
            }
            look.basic(username, password.as_ref());
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
        look.at(&format!("target `{name}`, `url`"), &target.url, Fit::Url(service));
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

    /// Each of the two can be there, and both together be too long for a header.
    fn basic(&mut self, username: &Setting, password: Option<&Setting>) {
        let Ok(username) = self.settings.resolve(username) else { return };
        let Ok(password) = password.map(|password| self.settings.resolve_credential(password)).transpose() else {
            return;
        };
        let pair = STANDARD.encode(format!("{username}:{}", password.unwrap_or_default()));
        let refused = misfit(&pair, Fit::Authorization("Basic"));
        self.lacking.extend(refused.map(|why| format!("auth `username` and `password`: the pair {why}")));
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
    let needed = !matches!(fit, Fit::Any | Fit::Header(_));
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
        Fit::Authorization(word) => misfit(&format!("{word} {value}"), Fit::Header("Authorization")),
        Fit::Base(service) => of_no_use(guard::misfit_of_base(value, &service.policy, service.plaintext)),
        Fit::Url(service) => of_no_use(guard::misfit_of_url(value, &service.policy, service.plaintext)),
        Fit::SigningKey => webhook::sign(value, "", 0, b"").err().map(|why| format!("is of no use: {why}")),
    }
}

fn of_no_use(why: Option<String>) -> Option<String> {
    why.map(|why| format!("is of no use: {why}"))
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
    fn an_address_that_cannot_be_called_is_as_good_as_none() {
        let said = |value: &str, more: &[(&str, serde_json::Value)]| {
            let mut service = json!({"base_url": env("PAYMENTS_URL")});
            for (key, value) in more {
                service[key] = value.clone();
            }
            lacking(&service, &[("PAYMENTS_URL", value)])
        };
        for good in ["https://pay.example.eu", "https://pay.example.eu/v1/", "https://pay.example.eu\n"] {
            assert_eq!(said(good, &[]), Vec::<String>::new(), "{good:?}");
        }
        assert_eq!(said("", &[]), ["base_url: environment variable `PAYMENTS_URL` is empty"]);
        for (bad, why) in [
            ("nonsense", "cannot be read"),
            ("ftp://x.eu", "scheme"),
            ("https://", "cannot be read"),
            ("https:", "cannot be read"),
            ("pay.example.eu", "cannot be read"),
            ("http://pay.example.eu", "`http://` is refused"),
            ("https://user:hunter2@pay.example.eu", "a user name"),
            ("https://pay.example.eu/v1?key=hunter2", "must not hold a query"),
            ("https://10.0.0.1", "`allow_private_network`"),
        ] {
            let said = said(bad, &[]).pop().expect(bad);
            assert!(said.starts_with("base_url: environment variable `PAYMENTS_URL` is of no use: "), "{said}");
            assert!(said.contains(why) && said.contains("; expected `https://` and a host"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert_eq!(said("http://pay.example.eu", &[("plaintext", json!(true))]), Vec::<String>::new());
        // So for a default, and for a target, which may have a query.
        let default = json!({"env": {"name": "SPECQL_NO_SUCH", "default": "ftp://x.eu"}});
        assert_eq!(lacking(&json!({"base_url": default}), &[]).len(), 1);
        let target = json!({"targets": {"far": {"url": env("FAR"), "secret": {"literal": "k"}}}});
        assert_eq!(lacking(&target, &[("FAR", "https://far.example.eu/?a=b")]), Vec::<String>::new());
        let said = lacking(&target, &[("FAR", "http://far.example.eu")]).pop().unwrap();
        assert!(said.starts_with("target `far`, `url`: environment variable `FAR` is of no use: "), "{said}");
    }

    #[test]
    fn a_credential_that_is_too_long_for_its_header_is_as_good_as_none() {
        let long = "k".repeat(8 * 1024 - 3);
        let bearer = json!({"auth": {"type": "bearer", "token": env("TOKEN")}});
        let said = lacking(&bearer, &[("TOKEN", &long)]).pop().unwrap();
        assert!(said.contains("longer than 8 KiB") && !said.contains("kkk"), "{said}");
        let basic = json!({"auth": {"type": "basic", "username": {"literal": "me"}, "password": env("TOKEN")}});
        let said = lacking(&basic, &[("TOKEN", &long)]).pop().unwrap();
        assert!(said.contains("longer than 8 KiB") && !said.contains("kkk"), "{said}");
        assert_eq!(lacking(&basic, &[("TOKEN", "")]), Vec::<String>::new());
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
