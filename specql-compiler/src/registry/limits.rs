//! `limits` and `circuit_breaker`: what holds calls back.

use specql_registry::limits::{CircuitBreaker, Limits};

use super::decode::Decoder;
use crate::{
    keys::{Key, Shape, Table},
    source::yaml::Entry,
};

/// Most jobs of a service at once.
const MOST_CONCURRENT: u32 = 100_000;
/// Most calls that a breaker looks at.
const LARGEST_WINDOW: u32 = 1_000;

/// `limits`.
pub(super) static LIMITS: Table = Table::new(
    "`limits`",
    &[
        Key::new(
            "concurrency",
            Shape::Integer(1, MOST_CONCURRENT as i64),
            "how many of its jobs run at once, over all workers",
        )
        .default("no limit"),
        Key::new(
            "rate",
            Shape::Clause("100/s"),
            "how many of its jobs start in a second, minute or hour, over all workers",
        )
        .default("no limit"),
    ],
);

/// `circuit_breaker`.
pub(super) static CIRCUIT_BREAKER: Table = Table::new(
    "`circuit_breaker`",
    &[
        Key::new("window", Shape::Integer(1, LARGEST_WINDOW as i64), "how many of the latest calls are looked at")
            .default("`20`"),
        Key::new("minimum_calls", Shape::Integer(1, LARGEST_WINDOW as i64), "of fewer calls nothing is concluded")
            .default("`5`"),
        Key::new("failure_rate", Shape::Integer(1, 100), "percent of failed calls at which it opens").default("`50`"),
        Key::new("open_for", Shape::Duration, "how long it is open at first; doubled while the service still fails")
            .default("`30s`"),
        Key::new("max_open", Shape::Duration, "how long it is open at most").default("`5m`"),
    ],
);

/// Reads `limits`.
pub(super) fn read_limits(entry: &Entry, decoder: &mut Decoder) -> Limits {
    let Some(fields) = decoder.fields(&entry.value, &LIMITS) else { return Limits::default() };
    let concurrency = fields.take("concurrency").and_then(|entry| decoder.integer(entry, 1..=MOST_CONCURRENT));
    let rate = fields.take("rate").and_then(|entry| {
        let rate = decoder.text(entry)?.parse().ok();
        if rate.is_none() {
            decoder.bad(entry.value.span, "`rate` takes starts in a second, minute or hour: 100/s, 20/m, 5/h");
        }
        rate
    });
    decoder.finish(fields);
    Limits { concurrency, rate }
}

/// Reads `circuit_breaker`.
pub(super) fn read_breaker(entry: &Entry, decoder: &mut Decoder) -> CircuitBreaker {
    let mut breaker = CircuitBreaker::default();
    let Some(fields) = decoder.fields(&entry.value, &CIRCUIT_BREAKER) else { return breaker };
    if let Some(window) = fields.take("window").and_then(|entry| decoder.integer(entry, 1..=LARGEST_WINDOW)) {
        breaker.window = window;
    }
    if let Some(calls) = fields.take("minimum_calls").and_then(|entry| decoder.integer(entry, 1..=LARGEST_WINDOW)) {
        breaker.minimum_calls = calls;
    }
    if let Some(rate) = fields.take("failure_rate").and_then(|entry| decoder.integer(entry, 1..=100)) {
        breaker.failure_rate = rate;
    }
    if let Some(open) = fields.take("open_for").and_then(|entry| decoder.duration_ms(entry)) {
        breaker.open_for_ms = open;
    }
    if let Some(longest) = fields.take("max_open").and_then(|entry| decoder.duration_ms(entry)) {
        breaker.max_open_ms = longest;
    }
    decoder.finish(fields);
    if breaker.minimum_calls > breaker.window {
        decoder.bad(entry.key_span, "the breaker never opens: `minimum_calls` is more than its `window`");
    }
    if breaker.max_open_ms < breaker.open_for_ms {
        decoder.bad(entry.key_span, "the longest time open (`max_open`) is shorter than the first (`open_for`)");
    }
    breaker
}
