//! A service's environments: each a whole configuration, merged over the base when the project is compiled.

use indexmap::IndexMap;
use specql_registry::{
    Setting,
    http::HttpService,
    service::{Configuration, Environment},
};

use super::{decode::Decoder, http_service, url};
use crate::{
    diagnostics::rules::{sq0511_weaker_environment::weaker_environment, sq0514_bad_service_name::bad_service_name},
    keys::{Key, Shape, Table},
    source::yaml::{Entry, Node, Value},
};

/// One of `environments`.
pub(super) static ENVIRONMENT: Table = Table::new(
    "an environment",
    &[
        Key::new("development", Shape::Boolean, "whether it may be weaker than the base").default("`false`"),
        Key::new("runner_config", Shape::Table(&http_service::CONFIG), "what differs from the service's"),
        Key::new("security_policy", Shape::Table(&http_service::POLICY), "what differs from the service's"),
    ],
);

/// Reads `environments`.
pub(super) fn read(
    entry: &Entry,
    base_config: Option<&Node>,
    base_policy: Option<&Node>,
    base: &Configuration,
    decoder: &mut Decoder,
) -> IndexMap<String, Environment> {
    let mut environments = IndexMap::new();
    let Value::Mapping(entries) = &entry.value.value else {
        decoder.bad(entry.value.span, "`environments` takes names, each with what differs there");
        return environments;
    };
    for environment in entries {
        let name = &environment.key;
        if !is_name(name) {
            decoder.report(bad_service_name(environment.key_span, "an environment", name));
            continue;
        }
        let Some(fields) = decoder.fields(&environment.value, &ENVIRONMENT) else { continue };
        let development = fields.take("development").and_then(|entry| decoder.boolean(entry)).unwrap_or(false);
        let config = merged(base_config, fields.take("runner_config").map(|entry| &entry.value));
        let policy = merged(base_policy, fields.take("security_policy").map(|entry| &entry.value));
        decoder.finish(fields);
        let configuration = http_service::read(config.as_ref(), policy.as_ref(), decoder).configuration;
        if !development && let Some(how) = weakness(base, &configuration) {
            decoder.report(weaker_environment(environment.key_span, name, &how));
        }
        environments.insert(name.clone(), Environment { development, configuration });
    }
    environments
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// The second over the first: mappings key by key, everything else replaced. A reference is one value, so it is replaced
/// whole.
fn merged(base: Option<&Node>, over: Option<&Node>) -> Option<Node> {
    let (Some(base), Some(over)) = (base, over) else { return over.or(base).cloned() };
    let is_reference = super::setting::is_reference(base) || super::setting::is_reference(over);
    let (Value::Mapping(below), Value::Mapping(above)) = (&base.value, &over.value) else { return Some(over.clone()) };
    if is_reference {
        return Some(over.clone());
    }
    let mut entries: Vec<Entry> = below.clone();
    for entry in above {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => {
                let value = merged(Some(&known.value), Some(&entry.value)).unwrap_or_else(|| entry.value.clone());
                *known = Entry { value, ..entry.clone() };
            }
            None => entries.push(entry.clone()),
        }
    }
    Some(Node { value: Value::Mapping(entries), ..over.clone() })
}

/// In what a configuration allows more than the base.
fn weakness(base: &Configuration, other: &Configuration) -> Option<String> {
    let (Configuration::Http(base), Configuration::Http(other)) = (base, other) else { return None };
    if other.plaintext && !base.plaintext {
        return Some("it allows calls without TLS".to_owned());
    }
    if other.policy.allow_private_network && !base.policy.allow_private_network {
        return Some("it allows private addresses".to_owned());
    }
    if other.policy.allow_any_public_host && !base.policy.allow_any_public_host {
        return Some("it allows any public host".to_owned());
    }
    if base.auth.is_some() && other.auth.is_none() {
        return Some("its calls carry no credentials".to_owned());
    }
    match (allowed_hosts(base), allowed_hosts(other)) {
        (Some(_), None) => Some("an environment variable chooses its host".to_owned()),
        // Another literal base_url is another target, named in the registry; a longer list is a wider one.
        (Some(below), Some(above)) if !base.policy.allowed_hosts.is_empty() => {
            let further = above.iter().find(|host| !below.contains(host))?;
            Some(format!("it allows the host `{further}`"))
        }
        _ => None,
    }
}

/// The hosts that a configuration allows; `None` where an environment variable decides.
fn allowed_hosts(service: &HttpService) -> Option<Vec<String>> {
    if !service.policy.allowed_hosts.is_empty() {
        return Some(service.policy.allowed_hosts.clone());
    }
    let targets = service.targets.values().map(|target| &target.url);
    let urls = service.base_url.iter().chain(targets);
    urls.map(|setting| match setting {
        Setting::Literal(literal) => url::parse(literal).ok().map(|url| url.host),
        Setting::Env { .. } | Setting::Secret(_) => None,
    })
    .collect()
}
