//! `runner_config` and `security_policy` of an HTTP service.

use indexmap::IndexMap;
use specql_registry::{
    Setting,
    http::{BodyEncoding, HttpPolicy, HttpService, WebhookTarget},
    service::Configuration,
};

use super::{
    auth,
    decode::Decoder,
    service::MAX_TIMEOUT,
    setting::{credential, setting},
    url,
};
use crate::{
    diagnostics::rules::{
        sq0502_not_implemented::not_implemented, sq0509_host_not_allowed::host_not_allowed, sq0510_plaintext::plaintext,
    },
    keys::{Key, Shape, Table},
    source::{
        Span,
        yaml::{Entry, Node, Value},
    },
};

/// Largest response that may be allowed, in MiB.
const MAX_RESPONSE_MB: u32 = 1024;
/// Largest response where nothing is said, in MiB.
const DEFAULT_RESPONSE_MB: u32 = 10;

/// `runner_config` of an HTTP service.
pub(super) static CONFIG: Table = Table::new(
    "`runner_config` of an HTTP service",
    &[
        Key::new("base_url", Shape::Setting, "what stands before every operation's `path`"),
        Key::new("auth", Shape::OneTable(auth::TABLES), "how calls are authenticated"),
        Key::new("headers", Shape::Map(&Shape::Setting), "headers of every call"),
        Key::new("body", BODY, "how bodies are written").default("`json`"),
        Key::new("max_response_mb", Shape::Integer(1, MAX_RESPONSE_MB as i64), "the largest answer, in MiB")
            .default("`10`"),
        Key::new("plaintext", Shape::Boolean, "whether `http://` is allowed").default("`false`"),
        Key::new("targets", Shape::Map(&Shape::Table(&TARGET)), "addresses that an operation's `target` chooses from"),
        Key::new("signing_secret", Shape::Credential, "signs calls to addresses that an input holds"),
        Key::new(
            "timeout",
            Shape::Integer(1, MAX_TIMEOUT as i64),
            "the service's `timeout`, as the original writes it",
        ),
        Key::new("follow_redirects", Shape::Integer(0, 10), "how many redirects are followed; only `0` so far")
            .default("`0`"),
        Key::new("tls", Shape::Anything, "certificates").refused(),
        Key::new("auth_type", Shape::Text, "the `type` of `auth`, as the original writes it"),
    ],
);

/// How a body is written.
pub(super) const BODY: Shape = Shape::Words(&["json", "form", "none", "multipart", "raw"]);

/// `security_policy` of an HTTP service.
pub(super) static POLICY: Table = Table::new(
    "`security_policy` of an HTTP service",
    &[
        Key::new("allowed_hosts", Shape::List(&Shape::Text), "the hosts that may be called")
            .default("that of `base_url`"),
        Key::new("allow_private_network", Shape::Boolean, "whether private addresses may be called").default("`false`"),
        Key::new("allow_any_public_host", Shape::Boolean, "whether an input may hold the address").default("`false`"),
    ],
);

/// One of `targets`.
pub(super) static TARGET: Table = Table::new(
    "a target",
    &[
        Key::new("url", Shape::Setting, "its address").required(),
        Key::new("secret", Shape::Credential, "signs what is sent there").required(),
    ],
);

/// A configuration, and the spelling of the original that stands in it.
pub(super) struct Declared {
    pub(super) configuration: Configuration,
    pub(super) timeout_seconds: Option<u32>,
}

/// Reads both. Without `runner_config` the service is served by handlers.
pub(super) fn read(config: Option<&Node>, policy: Option<&Node>, decoder: &mut Decoder) -> Declared {
    let handler = Declared { configuration: Configuration::Handler, timeout_seconds: None };
    let policy = policy.map(|node| read_policy(node, decoder)).unwrap_or_default();
    let Some(fields) = config.and_then(|node| decoder.fields(node, &CONFIG)) else {
        return handler;
    };
    let base_url = fields.take("base_url");
    let auth = auth::read(fields.take("auth"), fields.take("auth_type"), decoder);
    let headers = fields.take("headers").map(|entry| read_headers(entry, decoder)).unwrap_or_default();
    let body = fields.take("body").and_then(|entry| body_encoding(entry, decoder)).unwrap_or_default();
    let max_response_mb = fields
        .take("max_response_mb")
        .and_then(|entry| decoder.integer(entry, 1..=MAX_RESPONSE_MB))
        .unwrap_or(DEFAULT_RESPONSE_MB);
    let allow_plaintext = fields.take("plaintext").and_then(|entry| decoder.boolean(entry)).unwrap_or(false);
    let targets = fields.take("targets");
    let signing_secret = fields.take("signing_secret").and_then(|entry| credential(entry, decoder));
    let timeout_seconds = fields.take("timeout").and_then(|entry| decoder.integer(entry, 1..=MAX_TIMEOUT));
    if let Some(entry) = fields.take("follow_redirects")
        && decoder.integer(entry, 0..=10).is_some_and(|count| count > 0)
    {
        decoder.report(not_implemented(entry.key_span, "following redirects"));
    }
    decoder.finish(fields);

    let check = Check { allow_plaintext, policy: &policy };
    let base_url = base_url.and_then(|entry| {
        let value = setting(entry, decoder)?;
        check.url(&value, entry.value.span, decoder);
        Some(value)
    });
    let targets = targets.map(|entry| read_targets(entry, &check, decoder)).unwrap_or_default();
    let configuration = Configuration::Http(HttpService {
        base_url,
        auth,
        headers,
        body,
        max_response_bytes: u64::from(max_response_mb) << 20,
        plaintext: allow_plaintext,
        targets,
        signing_secret,
        policy,
    });
    Declared { configuration, timeout_seconds }
}

/// `json`, `form` or `none`.
pub(super) fn body_encoding(entry: &Entry, decoder: &mut Decoder) -> Option<BodyEncoding> {
    let known = [
        ("json", Some(BodyEncoding::Json)),
        ("form", Some(BodyEncoding::Form)),
        ("none", Some(BodyEncoding::None)),
        ("multipart", None),
        ("raw", None),
    ];
    let encoding = decoder.word(entry, &known)?;
    if encoding.is_none() {
        let what = format!("`body: {}`", entry.value.as_text().unwrap_or_default());
        decoder.report(not_implemented(entry.value.span, &what));
    }
    encoding
}

/// Whether a text is a header's name.
pub(super) fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

/// Whether the runner itself sets a header, so that a registry cannot.
pub(super) fn is_reserved_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "te" | "upgrade")
        || name.starts_with("proxy-")
}

/// Reports a header that is none, or that only the runner sets.
pub(super) fn check_header(name: &str, span: Span, decoder: &mut Decoder) {
    if !is_header_name(name) {
        decoder.bad(span, format!("`{name}` is no header name"));
    } else if is_reserved_header(name) {
        decoder.bad(span, format!("the header `{name}` is set by the runner alone"));
    }
}

fn read_headers(entry: &Entry, decoder: &mut Decoder) -> IndexMap<String, Setting> {
    let mut headers = IndexMap::new();
    let Value::Mapping(entries) = &entry.value.value else {
        decoder.bad(entry.value.span, "`headers` takes names and values");
        return headers;
    };
    for header in entries {
        check_header(&header.key, header.key_span, decoder);
        if let Some(value) = setting(header, decoder) {
            if matches!(&value, Setting::Literal(text) if text.chars().any(char::is_control)) {
                decoder.bad(header.value.span, "a header's value has no line breaks or control characters");
            }
            headers.insert(header.key.clone(), value);
        }
    }
    headers
}

fn read_policy(node: &Node, decoder: &mut Decoder) -> HttpPolicy {
    let mut policy = HttpPolicy::default();
    let Some(fields) = decoder.fields(node, &POLICY) else { return policy };
    if let Some(entry) = fields.take("allowed_hosts") {
        let items = decoder.items(entry);
        for item in items {
            match item.as_text().filter(|host| url::is_host(host)) {
                Some(host) => policy.allowed_hosts.push(host.to_ascii_lowercase()),
                None => decoder.bad(item.span, "`allowed_hosts` takes host names without scheme, port, path or `*`"),
            }
        }
        if items.is_empty() {
            decoder
                .bad(entry.key_span, "`allowed_hosts` must name a host; leave it out to allow the one of `base_url`");
        }
    }
    let mut flag = |key| fields.take(key).and_then(|entry| decoder.boolean(entry)).unwrap_or(false);
    policy.allow_private_network = flag("allow_private_network");
    policy.allow_any_public_host = flag("allow_any_public_host");
    decoder.finish(fields);
    policy
}

fn read_targets(entry: &Entry, check: &Check<'_>, decoder: &mut Decoder) -> IndexMap<String, WebhookTarget> {
    let mut targets = IndexMap::new();
    let Value::Mapping(entries) = &entry.value.value else {
        decoder.bad(entry.value.span, "`targets` takes names, each with `url` and `secret`");
        return targets;
    };
    for target in entries {
        let Some(fields) = decoder.fields(&target.value, &TARGET) else { continue };
        let (address, secret) = (fields.take("url"), fields.take("secret"));
        decoder.finish(fields);
        let (Some(address), Some(secret)) = (address, secret) else {
            decoder.bad(target.key_span, "a target needs a `url` and a `secret` that signs what is sent");
            continue;
        };
        if let (Some(url), Some(secret)) = (setting(address, decoder), credential(secret, decoder)) {
            check.url(&url, address.value.span, decoder);
            targets.insert(target.key.clone(), WebhookTarget { url, secret });
        }
    }
    targets
}

/// The policy that a URL of the registry must obey.
struct Check<'a> {
    allow_plaintext: bool,
    policy: &'a HttpPolicy,
}

impl Check<'_> {
    /// A URL that is known when the project is compiled: a literal, or the default of a reference.
    fn url(&self, setting: &Setting, span: Span, decoder: &mut Decoder) {
        let text = match setting {
            Setting::Literal(text) | Setting::Env { default: Some(text), .. } => text,
            Setting::Env { default: None, .. } | Setting::Secret(_) => return,
        };
        let parsed = match url::parse(text) {
            Ok(parsed) => parsed,
            Err(why) => return decoder.bad(span, why),
        };
        if !parsed.https && !self.allow_plaintext {
            decoder.report(plaintext(span));
        }
        let host = &parsed.host;
        if !self.policy.allowed_hosts.is_empty() && !self.policy.allowed_hosts.contains(host) {
            let what = format!("the host `{host}` is not in `allowed_hosts`");
            decoder.report(host_not_allowed(span, what).help(format!("add `{host}` there, or call an allowed host")));
        }
        if url::is_private(host) && !self.policy.allow_private_network {
            let what = format!("the host `{host}` is on this machine or a private network");
            let help = "set `allow_private_network: true` in `security_policy` where that is meant";
            decoder.report(host_not_allowed(span, what).help(help));
        }
    }
}
