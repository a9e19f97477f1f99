//! SQ0233: a schedule whose input its action does not accept.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// A schedule whose input its action does not accept.
pub static RULE: Rule = Rule {
    code: "SQ0233",
    name: "scheduled-input",
    severity: Severity::Error,
    explanation: "\
`input` of a schedule gives the inputs of its action: every required one, and none that it does not take. The values are
constants, written as everywhere: a text stands in quotes of its own, for a plain YAML string is an expression. A reference is
the UUID of its row.

Wrong:
```yaml
entity: Cart
actions: [{name: report, input: {kind: text!}, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: report, input: {kind: short}}
```

Right:
```yaml
entity: Cart
actions: [{name: report, input: {kind: text!}, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: report, input: {kind: \"short\"}}
```
",
};

/// The action has no input `name`.
#[must_use]
pub fn unknown<'a>(span: Span, action: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    let help = if known.is_empty() { Some("it takes none".to_owned()) } else { help_for(name, known) };
    Diagnostic::new(&RULE, span, format!("the action `{action}` has no input `{}`", name.escape_debug()))
        .maybe_help(help)
}

/// `missing` (name and type) are not given.
#[must_use]
pub fn missing(span: Span, action: &str, missing: &[String]) -> Diagnostic {
    let (noun, it) = if missing.len() == 1 { ("input", "it") } else { ("inputs", "them") };
    let list = missing.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    Diagnostic::new(&RULE, span, format!("the action `{action}` needs the {noun} {list}"))
        .help(format!("add {it} to the schedule's `input:`"))
}

/// The required input `name` is `null`.
#[must_use]
pub fn null(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the input `{name}` must have a value")).help("give it one")
}

/// The value is no constant.
#[must_use]
pub fn computed(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "a schedule's input is a constant: there is nothing it could be computed from")
        .help("put a text in quotes: `\"text\"`; what depends on the time is computed in the action")
}

/// The constant is not one of the input's type.
#[must_use]
pub fn mismatch(span: Span, name: &str, wanted: &str, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the input `{name}` is of type {wanted}, found {found}"))
}
