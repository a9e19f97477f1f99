//! `call_service`, as it is written.

use super::{
    expr::Ast,
    keys::Keys,
    step::{self, AssignmentsSyntax, StepSyntax, assignments},
    value,
};
use crate::{
    diagnostics::{Diagnostic, rules::sq0131_wrong_shape as wrong_shape},
    keys::{Key, Shape, Table},
    source::{
        Span, Spanned,
        yaml::{Node, Value},
    },
};

/// A queued call.
#[derive(Clone, Debug)]
pub struct CallServiceSyntax {
    /// `service:`.
    pub service: Spanned<String>,
    /// `operation:`.
    pub operation: Spanned<String>,
    /// `input:`.
    pub input: AssignmentsSyntax,
    /// Where a missing input is shown: the key `input`, else the operation.
    pub input_span: Span,
    /// Where `async:`, or its alias `async_mode:`, is `false`.
    pub wait: Option<Span>,
    /// `timeout:`, in seconds.
    pub timeout: Option<Spanned<i64>>,
    /// `max_retries:`.
    pub max_retries: Option<Spanned<i64>>,
    /// `give_up_after:`.
    pub give_up_after: Option<Spanned<String>>,
    /// `priority:`.
    pub priority: Option<Spanned<i64>>,
    /// `correlation_field:`.
    pub correlation: Option<Ast>,
    /// `idempotency_key:`.
    pub idempotency_key: Option<Ast>,
    /// `unique:`.
    pub unique: Option<Spanned<String>>,
    /// `delay:`.
    pub delay: Option<Spanned<String>>,
    /// `run_at:`.
    pub run_at: Option<Ast>,
    /// `as:`.
    pub bind: Option<Spanned<String>>,
    /// `on_success:`.
    pub on_success: Option<CallbackSyntax>,
    /// `on_failure:`.
    pub on_failure: Option<CallbackSyntax>,
}

/// The steps after a call.
#[derive(Clone, Debug)]
pub struct CallbackSyntax {
    /// The key.
    pub span: Span,
    /// What it holds.
    pub steps: Vec<StepSyntax>,
}

/// A call.
pub static CALL: Table = Table::new(
    "a `call_service`",
    &[
        Key::new("service", Shape::Name, "the service of the registry").required(),
        Key::new("operation", Shape::Name, "its operation").required(),
        Key::new("input", Shape::Map(&Shape::Value), "what the operation takes: its inputs, each with a value"),
        Key::new("async", Shape::Boolean, "`false`: the typed Rust function answers when the job is done")
            .default("`true`"),
        Key::new("async_mode", Shape::Boolean, "the same as `async`").default("`true`"),
        Key::new("timeout", Shape::Integer(1, 86_400), "seconds that an attempt may take").default("the operation's"),
        Key::new("max_retries", Shape::Integer(1, 100), "attempts in all").default("the operation's"),
        Key::new(
            "give_up_after",
            Shape::Text,
            "how long a call that cannot be started is tried, from its first try, such as `2 hours`",
        )
        .default("the operation's"),
        Key::new("correlation_field", Shape::Value, "what the job is found by in logs and lists"),
        Key::new("idempotency_key", Shape::Value, "what makes two calls the same one")
            .default("the row, the action and the step"),
        Key::new(
            "unique",
            Shape::Words(&["in_flight", "latest", "once", "never"]),
            "what a second call with the same key does",
        )
        .default("the operation's"),
        Key::new("delay", Shape::Text, "how long to wait before the first attempt, such as `10 minutes`"),
        Key::new("run_at", Shape::Value, "when to make the first attempt, instead of `delay`"),
        Key::new("priority", Shape::Integer(-32_767, 32_767), "higher ones are called first").default("`0`"),
        Key::new("as", Shape::Name, "the name of the call: `$payment.job_id`, and part of the names of its callbacks"),
        Key::new(
            "on_success",
            Shape::Steps,
            "what is done when the call succeeded, in the transaction that records it",
        ),
        Key::new("on_failure", Shape::Steps, "what is done when the call failed for good"),
    ],
);

/// Reads a call. `place` is the key `call_service`; `complete` becomes false when a step of a callback is left out.
pub(super) fn read(
    node: &Node,
    place: Span,
    complete: &mut bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<CallServiceSyntax> {
    let keys = Keys::read(node, &CALL, diagnostics)?;
    for (key, alias) in [("async", "async_mode"), ("delay", "run_at")] {
        if let (Some(_), Some(second)) = (keys.entry(key), keys.entry(alias)) {
            diagnostics.push(wrong_shape::twice(second.key_span, key, alias));
        }
    }
    let on_success = callback(&keys, "on_success", complete, diagnostics);
    let on_failure = callback(&keys, "on_failure", complete, diagnostics);
    let service = keys.required_text("service", place, diagnostics);
    let operation = keys.required_text("operation", place, diagnostics);
    let input = keys.get("input").map(|node| assignments(node, "input", diagnostics));
    // Both are looked at, so that both are checked.
    let not_async = ["async", "async_mode"].map(|key| {
        let is_false = keys.boolean(key, diagnostics) == Some(false);
        keys.entry(key).filter(|_| is_false).map(|entry| entry.key_span)
    });
    let mut expression = |key| keys.get(key).and_then(|node| value::read(node, diagnostics));
    let (correlation, idempotency_key, run_at) =
        (expression("correlation_field"), expression("idempotency_key"), expression("run_at"));
    let (timeout, max_retries, priority) = (
        keys.integer("timeout", diagnostics),
        keys.integer("max_retries", diagnostics),
        keys.integer("priority", diagnostics),
    );
    let delay = keys.get("delay").and_then(|node| duration(node, "delay", diagnostics));
    let give_up_after = keys.get("give_up_after").and_then(|node| duration(node, "give_up_after", diagnostics));
    let unique = keys.text("unique", diagnostics);
    let bind = keys.text("as", diagnostics);
    let operation = operation?;
    Some(CallServiceSyntax {
        service: service?,
        input_span: keys.entry("input").map_or(operation.span, |entry| entry.key_span),
        operation,
        input: input.unwrap_or(AssignmentsSyntax { list: Vec::new(), whole: true }),
        wait: not_async.into_iter().flatten().next(),
        timeout,
        max_retries,
        give_up_after,
        priority,
        correlation,
        idempotency_key,
        unique,
        delay,
        run_at,
        bind,
        on_success,
        on_failure,
    })
}

/// A length of time is a text with its unit; a bare number would leave the unit open.
fn duration(node: &Node, key: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
    if let Value::String(text) = &node.value {
        return Some(Spanned { value: text.clone(), span: node.span });
    }
    let what = format!("`{key}`");
    diagnostics.push(wrong_shape::error(node, &what, "a number with its unit, such as `10 minutes`"));
    None
}

fn callback(
    keys: &Keys<'_>,
    key: &'static str,
    complete: &mut bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<CallbackSyntax> {
    let entry = keys.entry(key)?;
    let steps = step::read_all(&entry.value, key, complete, diagnostics);
    Some(CallbackSyntax { span: entry.key_span, steps })
}
