//! A file's list of services, and what all types of services have.

use indexmap::IndexMap;
use specql_registry::{
    ExecutionType, Service,
    limits::CircuitBreaker,
    service::{Configuration, RetryPolicy},
};

use super::{DeclaredService, decode::Decoder, environment, http_service, limits, operation};
use crate::{
    diagnostics::rules::{
        sq0502_not_implemented::not_implemented, sq0503_no_credential::no_credential,
        sq0504_duplicate_service::duplicate_service, sq0505_bad_registry_value::unknown_word,
        sq0514_bad_service_name::bad_service_name, sq0516_handled_in_code::handled_in_code,
    },
    keys::{Key, Shape, Table},
    source::{
        Span,
        yaml::{Entry, Node, Value},
    },
};

/// Longest time that a call may take, in seconds: a day.
pub(super) const MAX_TIMEOUT: u32 = 86_400;
/// Seconds for an operation of an HTTP service that says nothing about how it is called.
const DEFAULT_TIMEOUT_WITHOUT_CONFIG: u32 = 30;

/// A registry file.
pub static FILE: Table = Table::new(
    "a registry file",
    &[
        Key::new("services", Shape::List(&Shape::Table(&SERVICE)), "the services"),
        Key::new("plugins", Shape::Anything, "further execution types").refused(),
        // Tenancy without row level security would be a promise that nothing keeps.
        Key::new("domains", Shape::Anything, "belongs in `domain_registry.yaml`").refused(),
    ],
);

/// A service.
pub(super) static SERVICE: Table = Table::new(
    "a service",
    &[
        Key::new("name", Shape::Name, "its name; one of a built-in service replaces that").required(),
        Key::new("type", Shape::Text, "a word of your own, for lists"),
        Key::new("category", Shape::Text, "a word of your own, for lists"),
        Key::new("description", Shape::Text, "the documentation of its Rust module"),
        Key::new(
            "execution_type",
            Shape::Words(&["http", "shell", "docker", "serverless"]),
            "what carries its calls out",
        )
        .default("`http`"),
        Key::new("runner_config", Shape::Table(&http_service::CONFIG), "how it is called").default("handlers serve it"),
        Key::new("handled_in_code", Shape::Boolean, "a handler in code serves it: no worker starts without one")
            .default("`false`: a handler, or another worker"),
        Key::new("security_policy", Shape::Table(&http_service::POLICY), "what its calls may reach"),
        Key::new("timeout", Shape::Integer(1, MAX_TIMEOUT as i64), "seconds that an attempt may take")
            .default("300; 30 without a `runner_config`"),
        Key::new("retry", Shape::Table(&RETRY), "how long to wait between attempts"),
        Key::new(
            "environments",
            Shape::Map(&Shape::Table(&environment::ENVIRONMENT)),
            "what differs where `SPECQL_ENV` names one of them",
        ),
        Key::new("operations", Shape::List(&Shape::Table(&operation::OPERATION)), "what can be called"),
        Key::new("limits", Shape::Table(&limits::LIMITS), "how much is called at once, over all workers"),
        Key::new(
            "circuit_breaker",
            Shape::Table(&limits::CIRCUIT_BREAKER),
            "when calls that keep failing stop for a while",
        )
        .default("they do not stop"),
        Key::new("fallback", Shape::Name, "the service that takes over a call that could not be started"),
        Key::new("auth_type", Shape::Text, "that of `runner_config`, where the original also writes it"),
    ],
);

/// `retry`.
pub(super) static RETRY: Table = Table::new(
    "`retry`",
    &[
        Key::new("backoff", Shape::Words(&["exponential"]), "how the waits grow").default("`exponential`"),
        Key::new("initial", Shape::Duration, "the first wait").default("`1s`"),
        Key::new("max", Shape::Duration, "the longest wait").default("`10m`"),
        Key::new("jitter", Shape::Words(&["full", "none"]), "whether a wait is cut at random").default("`full`"),
    ],
);

/// What the operations of a service need to know of it.
pub(super) struct Context<'a> {
    pub(super) name: &'a str,
    pub(super) base: &'a Configuration,
    pub(super) handled_in_code: bool,
    pub(super) timeout_seconds: u32,
    pub(super) retry: RetryPolicy,
    pub(super) circuit_breaker: Option<CircuitBreaker>,
}

/// The services of a registry file.
pub(super) fn read_file(document: &Node, decoder: &mut Decoder) -> Vec<DeclaredService> {
    let Some(fields) = decoder.fields(document, &FILE) else { return Vec::new() };
    let services = fields.take("services");
    decoder.finish(fields);
    let items = services.map(|entry| decoder.items(entry)).unwrap_or_default();
    items.iter().filter_map(|item| read(item, decoder)).collect()
}

fn read(node: &Node, decoder: &mut Decoder) -> Option<DeclaredService> {
    let fields = decoder.fields(node, &SERVICE)?;
    let name_entry = fields.take("name");
    let kind = fields.take("type").and_then(|entry| decoder.text(entry));
    let category = fields.take("category").and_then(|entry| decoder.text(entry));
    let description = fields.take("description").and_then(|entry| decoder.text(entry));
    let execution_type = fields.take("execution_type").map_or(ExecutionType::Http, |entry| execution(entry, decoder));
    let (runner_config, policy) = (fields.take("runner_config"), fields.take("security_policy"));
    let in_code = fields.take("handled_in_code");
    let timeout = fields.take("timeout").and_then(|entry| decoder.integer(entry, 1..=MAX_TIMEOUT));
    let retry = fields.take("retry").map(|entry| read_retry(entry, decoder)).unwrap_or_default();
    let (environments, operations) = (fields.take("environments"), fields.take("operations"));
    let auth_type = fields.take("auth_type");
    let limits = fields.take("limits").map(|entry| limits::read_limits(entry, decoder)).unwrap_or_default();
    let circuit_breaker = fields.take("circuit_breaker").map(|entry| limits::read_breaker(entry, decoder));
    let fallback = fields.take("fallback").and_then(|entry| Some((decoder.text(entry)?, entry.value.span)));
    let span = fields.span;
    decoder.finish(fields);

    let Some((name, name_span)) = name_entry.and_then(|entry| named(entry, "a service", decoder)) else {
        if name_entry.is_none() {
            decoder.bad(span, "a service needs a `name`");
        }
        return None;
    };
    let mut service = Service {
        name,
        kind,
        category,
        description,
        execution_type,
        limits,
        handled_in_code: in_code.and_then(|entry| decoder.boolean(entry)).unwrap_or(false),
        fallback: fallback.as_ref().map(|(name, _)| name.clone()),
        base: Configuration::Handler,
        environments: IndexMap::new(),
        operations: IndexMap::new(),
    };
    let mut operation_spans = IndexMap::new();
    // Of the other types nothing is read: that they are not implemented has been said.
    if execution_type == ExecutionType::Http {
        let config = runner_config.map(|entry| with_auth_type(&entry.value, auth_type));
        if let (Some(entry), Some(target)) = (in_code.filter(|_| service.handled_in_code), runner_config) {
            decoder.report(handled_in_code(entry.key_span, target.key_span));
        }
        let (config, policy) = (config.as_ref(), policy.map(|entry| &entry.value));
        if let (None, Some(entry)) = (config, auth_type) {
            decoder.report(no_credential(entry.key_span));
        }
        let declared = http_service::read(config, policy, decoder);
        let timeout_seconds = timeout.or(declared.timeout_seconds).unwrap_or(match declared.configuration {
            Configuration::Http(_) => execution_type.default_timeout_seconds(),
            Configuration::Handler => DEFAULT_TIMEOUT_WITHOUT_CONFIG,
        });
        service.base = declared.configuration;
        if let Some(environments) = environments {
            service.environments = environment::read(environments, config, policy, &service.base, decoder);
        }
        let context = Context {
            name: &service.name,
            base: &service.base,
            handled_in_code: service.handled_in_code,
            timeout_seconds,
            retry,
            circuit_breaker,
        };
        let items = operations.map(|entry| decoder.items(entry)).unwrap_or_default();
        for item in items {
            let Some((operation, span)) = operation::read(item, &context, decoder) else { continue };
            if let Some(first) = operation_spans.get(&operation.name) {
                decoder.report(duplicate_service(span, *first, "operation", &operation.name));
                continue;
            }
            operation_spans.insert(operation.name.clone(), span);
            service.operations.insert(operation.name.clone(), operation);
        }
    }
    let fallback_span = fallback.map(|(_, span)| span);
    Some(DeclaredService { service, is_builtin: false, name_span, fallback_span, operation_spans })
}

/// A `runner_config` with the service's `auth_type`, unless it has its own.
fn with_auth_type(config: &Node, auth_type: Option<&Entry>) -> Node {
    let mut config = config.clone();
    if let (Value::Mapping(entries), Some(entry)) = (&mut config.value, auth_type)
        && entries.iter().all(|known| known.key != entry.key)
    {
        entries.push(entry.clone());
    }
    config
}

/// The name under a `name` key: a word in lower case.
pub(super) fn named(entry: &Entry, what: &str, decoder: &mut Decoder) -> Option<(String, Span)> {
    let name = decoder.text(entry)?;
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !fits {
        decoder.report(bad_service_name(entry.value.span, what, &name));
        return None;
    }
    Some((name, entry.value.span))
}

fn execution(entry: &Entry, decoder: &mut Decoder) -> ExecutionType {
    let Some(text) = decoder.text(entry) else { return ExecutionType::Http };
    match ExecutionType::ALL.into_iter().find(|known| known.name() == text) {
        Some(ExecutionType::Http) => ExecutionType::Http,
        Some(other) => {
            let what = format!("the execution type `{}`", other.name());
            decoder.report(not_implemented(entry.value.span, &what));
            other
        }
        None => {
            let known: Vec<&str> = ExecutionType::ALL.into_iter().map(ExecutionType::name).collect();
            decoder.report(unknown_word(entry.value.span, "execution_type", &text, &known));
            ExecutionType::Http
        }
    }
}

/// `retry: {backoff: exponential, initial: 1s, max: 10m, jitter: full}`.
pub(super) fn read_retry(entry: &Entry, decoder: &mut Decoder) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    let Some(fields) = decoder.fields(&entry.value, &RETRY) else { return policy };
    if let Some(entry) = fields.take("backoff") {
        decoder.word(entry, &[("exponential", ())]);
    }
    if let Some(initial) = fields.take("initial").and_then(|entry| decoder.duration_ms(entry)) {
        policy.initial_ms = initial;
    }
    if let Some(max) = fields.take("max").and_then(|entry| decoder.duration_ms(entry)) {
        policy.max_ms = max;
    }
    if let Some(jitter) =
        fields.take("jitter").and_then(|entry| decoder.word(entry, &[("full", true), ("none", false)]))
    {
        policy.jitter = jitter;
    }
    decoder.finish(fields);
    if policy.max_ms < policy.initial_ms {
        decoder.bad(entry.key_span, "the longest wait (`max`) is shorter than the first (`initial`)");
    }
    policy
}
