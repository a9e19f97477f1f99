//! An operation: what all types of operations have.

use specql_registry::{
    Operation,
    service::{Call, Configuration, Unique},
};

use super::{
    decode::Decoder,
    http_operation::{self, HttpCall},
    limits::{CIRCUIT_BREAKER, read_breaker},
    schema::{self, SpannedSchema},
    service::{Context, MAX_TIMEOUT, RETRY, named, read_retry},
};
use crate::{
    diagnostics::rules::sq0513_no_target::no_target,
    keys::{Key, Shape, Table},
    source::{Span, yaml::Node},
};

/// Most attempts that a job may have.
const MAX_ATTEMPTS: u32 = 100;
/// Attempts in all, where nothing is said.
const DEFAULT_ATTEMPTS: u32 = 3;
/// How long a job is put off, where nothing is said, and at most: a day and a year, in seconds.
const DEFAULT_GIVE_UP_AFTER: u32 = 86_400;
pub(crate) const MAX_GIVE_UP_AFTER: u32 = 366 * 86_400;

/// An operation.
pub(super) static OPERATION: Table = Table::new(
    "an operation",
    &[
        Key::new("name", Shape::Name, "its name").required(),
        Key::new("description", Shape::Text, "the documentation of its Rust type"),
        Key::new("input_schema", Shape::Schema, "what it takes"),
        Key::new("output_schema", Shape::Schema, "what it answers"),
        Key::new("timeout", Shape::Integer(1, MAX_TIMEOUT as i64), "seconds that an attempt may take")
            .default("the service's"),
        Key::new("max_retries", Shape::Integer(1, MAX_ATTEMPTS as i64), "attempts in all").default("`3`"),
        Key::new(
            "give_up_after",
            Shape::Duration,
            "how long a call that cannot be started is tried, from its first try",
        )
        .default("`24h`"),
        Key::new(
            "unique",
            Shape::Words(&["in_flight", "latest", "once", "never"]),
            "what a second call with the same key does",
        )
        .default("`in_flight`"),
        Key::new("idempotent", Shape::Boolean, "whether an attempt of unknown outcome may be repeated")
            .default("by the method, or `true` with an `idempotency_header`"),
        Key::new("retry", Shape::Table(&RETRY), "how long to wait between attempts").default("the service's"),
        Key::new("circuit_breaker", Shape::Table(&CIRCUIT_BREAKER), "when calls that keep failing stop for a while")
            .default("the service's"),
        // A limit is of a service: its operations share what the far side allows.
        Key::new("limits", Shape::Anything, "how much is called at once; belongs to the service").refused(),
    ],
)
.with(http_operation::KEYS);

/// Reads an operation; gives it back with the place of its name.
pub(super) fn read(node: &Node, context: &Context<'_>, decoder: &mut Decoder) -> Option<(Operation, Span)> {
    let fields = decoder.fields(node, &OPERATION)?;
    let name_entry = fields.take("name");
    let description = fields.take("description").and_then(|entry| decoder.text(entry));
    let (input, output) = (fields.take("input_schema"), fields.take("output_schema"));
    let timeout = fields.take("timeout").and_then(|entry| decoder.integer(entry, 1..=MAX_TIMEOUT));
    let attempts = fields.take("max_retries").and_then(|entry| decoder.integer(entry, 1..=MAX_ATTEMPTS));
    let give_up_after = fields.take("give_up_after").and_then(|entry| {
        let seconds = u32::try_from(decoder.duration_ms(entry)?.div_ceil(1_000)).ok();
        let fits = seconds.filter(|seconds| *seconds <= MAX_GIVE_UP_AFTER);
        if fits.is_none() {
            decoder.bad(entry.value.span, "`give_up_after` is at most a year: 8784h");
        }
        fits
    });
    let unique = fields.take("unique").and_then(|entry| {
        let words = Unique::ALL.map(|unique| (unique.name(), unique));
        decoder.word(entry, &words)
    });
    let declared_idempotent = fields.take("idempotent").and_then(|entry| decoder.boolean(entry));
    let retry = fields.take("retry").map(|entry| read_retry(entry, decoder));
    let circuit_breaker = fields.take("circuit_breaker").map(|entry| read_breaker(entry, decoder));
    let span = fields.span;
    let input = input.map_or_else(SpannedSchema::default, |entry| schema::read(&entry.value, "input_schema", decoder));
    let output =
        output.map_or_else(SpannedSchema::default, |entry| schema::read(&entry.value, "output_schema", decoder));

    let http = http_operation::take(&fields);
    let call = match context.base {
        Configuration::Http(service) => {
            let schemas = http_operation::Schemas { input: &input, output: &output.schema };
            http_operation::read(&http, service, &schemas, declared_idempotent, span, decoder)
        }
        // What an HTTP operation says is read all the same, to find its mistakes; nothing can be called with it.
        Configuration::Handler => {
            if let Some(key) = http.first_key() {
                decoder.bad(
                    key.key_span,
                    format!("`{}` needs a `runner_config` with a `base_url` in the service", key.key),
                );
            }
            None
        }
    };
    decoder.finish(fields);

    let Some((name, name_span)) = name_entry.and_then(|entry| named(entry, "an operation", decoder)) else {
        if name_entry.is_none() {
            decoder.bad(span, "an operation needs a `name`");
        }
        return None;
    };
    if matches!(context.base, Configuration::Handler) && http.first_key().is_none() && !context.handled_in_code {
        decoder.report(no_target(name_span, context.name, &name));
    }
    let (call, by_method) = match call {
        Some(HttpCall { operation, idempotent }) => (Call::Http(operation), idempotent),
        None => (Call::Handler, false),
    };
    let operation = Operation {
        name,
        description,
        input: input.schema,
        output: output.schema,
        timeout_seconds: timeout.unwrap_or(context.timeout_seconds),
        max_attempts: attempts.unwrap_or(DEFAULT_ATTEMPTS),
        give_up_after_seconds: give_up_after.unwrap_or(DEFAULT_GIVE_UP_AFTER),
        unique: unique.unwrap_or_default(),
        idempotent: declared_idempotent.unwrap_or(by_method),
        retry: retry.unwrap_or_else(|| context.retry.clone()),
        circuit_breaker: circuit_breaker.or(context.circuit_breaker),
        call,
    };
    Some((operation, name_span))
}
