//! What an HTTP operation says: target, templates, success, retries, output.

use std::collections::HashSet;

use indexmap::IndexMap;
use specql_registry::{
    Basic, Schema, ValueType,
    http::{BodyEncoding, HttpOperation, HttpService, HttpTarget, Method, OutputPath},
    schema::FieldDefault,
    template::{BodyTemplate, Template},
};

use super::{
    body,
    decode::{Decoder, Fields},
    http_service::{body_encoding, check_header},
    schema::SpannedSchema,
};
use crate::{
    diagnostics::rules::{
        sq0505_bad_registry_value::bad_value, sq0506_unknown_template_field::unknown_template_field,
        sq0507_unused_input::unused_input, sq0509_host_not_allowed::host_not_allowed,
        sq0512_retry_not_idempotent::retry_not_idempotent,
    },
    keys::{Key, Shape},
    source::{
        Span,
        yaml::{Entry, Node, Value},
    },
};

/// An HTTP operation, and whether repeating it is harmless by its method or by its idempotency header.
pub(super) struct HttpCall {
    pub(super) operation: HttpOperation,
    pub(super) idempotent: bool,
}

/// The schemas of the operation.
pub(super) struct Schemas<'a> {
    pub(super) input: &'a SpannedSchema,
    pub(super) output: &'a Schema,
}

/// The entries of an operation that belong to HTTP.
pub(super) struct Entries<'a> {
    method: Option<&'a Entry>,
    path: Option<&'a Entry>,
    url: Option<&'a Entry>,
    target: Option<&'a Entry>,
    query: Option<&'a Entry>,
    headers: Option<&'a Entry>,
    body: Option<&'a Entry>,
    body_template: Option<&'a Entry>,
    idempotency_header: Option<&'a Entry>,
    success: Option<&'a Entry>,
    retry_on: Option<&'a Entry>,
    no_effect_codes: Option<&'a Entry>,
    output: Option<&'a Entry>,
}

/// The keys that an operation of an HTTP service has besides.
pub(super) const KEYS: &[Key] = &[
    Key::new("method", Shape::Words(&["GET", "POST", "PUT", "PATCH", "DELETE"]), "the method").default("`POST`"),
    Key::new("path", Shape::Text, "the path behind `base_url`, with inputs as `{name}`"),
    Key::new("url", Shape::Text, "`\"{input}\"`: an input holds the whole address, instead of `path`"),
    Key::new("target", Shape::Text, "`\"{input}\"`: an input names one of the `targets`, instead of `path`"),
    Key::new("query", Shape::Map(&SCALAR), "parameters of the URL, with inputs as `{name}`")
        .default("the inputs that the path does not use, for GET and DELETE"),
    Key::new("headers", Shape::Map(&SCALAR), "headers, with inputs as `{name}`"),
    Key::new("body", super::http_service::BODY, "how the body is written").default("the service's"),
    Key::new("body_template", Shape::Anything, "the body, with inputs as `{name}`")
        .default("the inputs that the path does not use"),
    Key::new("idempotency_header", Shape::Text, "a header that carries the job's id, the same in every attempt"),
    Key::new(
        "success",
        Shape::Either(&[Shape::Words(&["2xx"]), Shape::Integer(200, 599), STATUSES]),
        "the status codes that mean success",
    )
    .default("`2xx`"),
    Key::new("retry_on", STATUSES, "the status codes after which another attempt is made")
        .default("by the failure's class"),
    Key::new("no_effect_codes", STATUSES, "the status codes that say that nothing was done, besides 4xx"),
    Key::new("output", Shape::Map(&Shape::Text), "where each output is found: `$.path`, `$header.name` or `$status`")
        .default("by its name, in a JSON body; so is what it does not name"),
];

/// A text with slots, which YAML may read as something else.
const SCALAR: Shape = Shape::Either(&[Shape::Text, Shape::Integer(i64::MIN, i64::MAX), Shape::Boolean]);
/// Status codes.
const STATUSES: Shape = Shape::List(&Shape::Integer(200, 599));

/// Takes the keys of an HTTP operation.
pub(super) fn take<'a>(fields: &Fields<'a>) -> Entries<'a> {
    Entries {
        method: fields.take("method"),
        path: fields.take("path"),
        url: fields.take("url"),
        target: fields.take("target"),
        query: fields.take("query"),
        headers: fields.take("headers"),
        body: fields.take("body"),
        body_template: fields.take("body_template"),
        idempotency_header: fields.take("idempotency_header"),
        success: fields.take("success"),
        retry_on: fields.take("retry_on"),
        no_effect_codes: fields.take("no_effect_codes"),
        output: fields.take("output"),
    }
}

impl<'a> Entries<'a> {
    /// The first key that only an HTTP operation has.
    pub(super) fn first_key(&self) -> Option<&'a Entry> {
        let Self { method, path, url, target, query, headers, body, body_template, .. } = self;
        [path, method, url, target, query, headers, body, body_template].into_iter().find_map(|entry| *entry)
    }
}

/// Reads and checks an HTTP operation of a service.
pub(super) fn read(
    entries: &Entries<'_>,
    service: &HttpService,
    schemas: &Schemas<'_>,
    declared_idempotent: Option<bool>,
    span: Span,
    decoder: &mut Decoder,
) -> Option<HttpCall> {
    let input = &schemas.input.schema;
    let methods = [
        ("GET", Method::Get),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("PATCH", Method::Patch),
        ("DELETE", Method::Delete),
    ];
    let method = entries.method.and_then(|entry| decoder.word(entry, &methods)).unwrap_or_default();
    let target = read_target(entries, service, input, span, decoder);
    let query = entries.query.map(|entry| body::templates(entry, input, decoder)).unwrap_or_default();
    let headers = entries.headers.map(|entry| read_headers(entry, input, decoder)).unwrap_or_default();
    let encoding = entries.body.and_then(|entry| body_encoding(entry, decoder)).unwrap_or(service.body);
    let bodyless = matches!(method, Method::Get | Method::Delete);
    if let Some(entry) = entries.body.filter(|_| bodyless && encoding != BodyEncoding::None) {
        decoder.bad(
            entry.key_span,
            "a request with GET or DELETE has no body: leave this out, or give it another `method`",
        );
    }
    let body_template = entries.body_template.and_then(|entry| {
        if bodyless || encoding == BodyEncoding::None {
            decoder.bad(entry.key_span, "this request has no body that a `body_template` could fill");
        }
        body::body(&entry.value, &entry.key, input, decoder)
    });
    let idempotency_header = entries.idempotency_header.and_then(|entry| {
        let name = decoder.text(entry)?;
        check_header(&name, entry.value.span, decoder);
        Some(name)
    });
    let success = entries.success.map(|entry| read_success(entry, decoder)).unwrap_or_default();
    let retry_on = entries.retry_on.map(|entry| statuses(entry, decoder));
    let no_effect_codes = entries.no_effect_codes.map(|entry| statuses(entry, decoder)).unwrap_or_default();
    let output = entries.output.map(|entry| read_output(entry, schemas.output, decoder));

    let by_method = matches!(method, Method::Get | Method::Put | Method::Delete);
    let idempotent = by_method || idempotency_header.is_some();
    if let (Some(entry), Some(codes)) = (entries.retry_on, &retry_on)
        && !declared_idempotent.unwrap_or(idempotent)
    {
        // 503 says that nothing was done; every other 5xx leaves it open, unless this service's is known.
        let open = |code: &&u16| **code >= 500 && **code != 503 && !no_effect_codes.contains(code);
        for code in codes.iter().filter(open) {
            decoder.report(retry_not_idempotent(entry.value.span, *code));
        }
    }
    let operation = HttpOperation {
        method,
        target: target?,
        query,
        headers,
        body: encoding,
        body_template,
        idempotency_header,
        success,
        retry_on,
        no_effect_codes,
        output,
    };
    if operation.body_template.is_some() || (encoding == BodyEncoding::None && !bodyless) {
        check_all_used(&operation, schemas.input, decoder);
    }
    Some(HttpCall { operation, idempotent })
}

fn read_target(
    entries: &Entries<'_>,
    service: &HttpService,
    input: &Schema,
    span: Span,
    decoder: &mut Decoder,
) -> Option<HttpTarget> {
    match (entries.path, entries.url, entries.target) {
        (Some(entry), None, None) => {
            if service.base_url.is_none() {
                decoder.bad(entry.key_span, "a `path` needs a `base_url` in the service's `runner_config`");
            }
            read_path(entry, input, decoder).map(HttpTarget::Path)
        }
        (None, Some(entry), None) => {
            if !service.policy.allow_any_public_host {
                let what = "an input may choose the URL only where the policy allows any public host";
                let help = "set `allow_any_public_host: true` in `security_policy`, or use named `targets`";
                decoder.report(host_not_allowed(entry.value.span, what).help(help));
            }
            if service.signing_secret.is_none() {
                let what = "a call to an address from an input must be signed";
                let diagnostic = bad_value(entry.value.span, what);
                decoder.report(diagnostic.help("add `signing_secret: {env: NAME}` to the service's `runner_config`"));
            }
            only_slot(entry, input, decoder).map(HttpTarget::Url)
        }
        (None, None, Some(entry)) => {
            let field = only_slot(entry, input, decoder)?;
            if service.targets.is_empty() {
                decoder.bad(entry.key_span, "`target` needs `targets` in the service's `runner_config`");
            }
            if let Some(FieldDefault::Value(serde_json::Value::String(name))) =
                input.fields.get(&field).and_then(|field| field.default.as_ref())
                && !service.targets.contains_key(name)
            {
                let known = service.targets.keys().map(String::as_str);
                decoder.report(unknown_template_field(entry.value.span, name, "targets", known));
            }
            Some(HttpTarget::Target(field))
        }
        (None, None, None) => {
            decoder.report(bad_value(span, "an HTTP operation needs a `path`").help("for example `path: /v1/charges`"));
            None
        }
        _ => {
            decoder.bad(span, "an operation has one of `path`, `url` and `target`");
            None
        }
    }
}

fn read_path(entry: &Entry, input: &Schema, decoder: &mut Decoder) -> Option<Template> {
    let text = decoder.text(entry)?;
    let bad = if !text.starts_with('/') || text.starts_with("//") {
        Some("a path begins with one `/`")
    } else if text.contains(['?', '#', '\\']) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("a path has no `?`, `#`, backslash or space; parameters stand under `query`")
    } else if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        Some("a path has no `.` or `..` segments")
    } else {
        None
    };
    if let Some(bad) = bad {
        decoder.bad(entry.value.span, bad);
    }
    let template = body::template(&entry.value, input, decoder)?;
    for (name, field) in template.fields().filter_map(|name| Some((name, input.fields.get(name)?))) {
        if !field.required && field.default.is_none() {
            decoder.bad(
                entry.value.span,
                format!("the path needs `{name}`: mark that input required, or give it a default"),
            );
        }
        if field.ty != ValueType::Basic(Basic::Json) && field.ty.is_structured() {
            decoder.bad(entry.value.span, format!("`{name}` is a {} and cannot stand in a path", field.ty.describe()));
        }
    }
    Some(template)
}

/// `"{field}"`: a text that is exactly one slot.
fn only_slot(entry: &Entry, input: &Schema, decoder: &mut Decoder) -> Option<String> {
    let template = body::template(&entry.value, input, decoder)?;
    match template.only_field() {
        Some(field) => Some(field.to_owned()),
        None => {
            decoder.bad(entry.value.span, format!("`{}` takes exactly one input, such as \"{{to}}\"", entry.key));
            None
        }
    }
}

fn read_headers(entry: &Entry, input: &Schema, decoder: &mut Decoder) -> IndexMap<String, Template> {
    let headers = body::templates(entry, input, decoder);
    if let Value::Mapping(entries) = &entry.value.value {
        for header in entries {
            check_header(&header.key, header.key_span, decoder);
            // An input must not become the credential or the key of another job.
            if ["authorization", "idempotency-key"].contains(&header.key.to_ascii_lowercase().as_str()) {
                decoder.bad(header.key_span, format!("the header `{}` never comes from an input", header.key));
            }
        }
    }
    headers
}

/// `2xx`, `201` or a list of codes.
fn read_success(entry: &Entry, decoder: &mut Decoder) -> Vec<u16> {
    match &entry.value.value {
        Value::String(text) if text == "2xx" => Vec::new(),
        Value::Number(_) => status(&entry.value, decoder).into_iter().collect(),
        _ => statuses(entry, decoder),
    }
}

fn statuses(entry: &Entry, decoder: &mut Decoder) -> Vec<u16> {
    decoder.items(entry).iter().filter_map(|item| status(item, decoder)).collect()
}

fn status(node: &Node, decoder: &mut Decoder) -> Option<u16> {
    let code = match &node.value {
        Value::Number(digits) => digits.parse().ok().filter(|code| (200..=599).contains(code)),
        _ => None,
    };
    if code.is_none() {
        decoder.bad(node.span, "expected an HTTP status code from 200 to 599");
    }
    code
}

fn read_output(entry: &Entry, schema: &Schema, decoder: &mut Decoder) -> IndexMap<String, OutputPath> {
    let mut paths = IndexMap::new();
    let Value::Mapping(entries) = &entry.value.value else {
        decoder.bad(entry.value.span, "`output` takes fields of `output_schema` and where they are found");
        return paths;
    };
    for entry in entries {
        if !schema.fields.contains_key(&entry.key) {
            let known = schema.fields.keys().map(String::as_str);
            decoder.report(unknown_template_field(entry.key_span, &entry.key, "output_schema", known));
        }
        let Some(text) = decoder.text(entry) else { continue };
        match OutputPath::parse(&text) {
            Ok(path) => {
                paths.insert(entry.key.clone(), path);
            }
            Err(error) => decoder.bad(entry.value.inner_span(error.at, text.len()), error.message),
        }
    }
    paths
}

fn check_all_used(operation: &HttpOperation, input: &SpannedSchema, decoder: &mut Decoder) {
    let mut used: HashSet<&str> = HashSet::new();
    match &operation.target {
        HttpTarget::Path(path) => used.extend(path.fields()),
        HttpTarget::Url(field) | HttpTarget::Target(field) => {
            used.insert(field);
        }
    }
    used.extend(operation.query.values().chain(operation.headers.values()).flat_map(Template::fields));
    used.extend(operation.body_template.iter().flat_map(BodyTemplate::fields));
    for name in input.schema.fields.keys().filter(|name| !used.contains(name.as_str())) {
        let span = input.spans.get(name).copied().unwrap_or_default();
        decoder.report(unused_input(span, name));
    }
}
