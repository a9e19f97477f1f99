//! SQ0213: a default of an input that nothing ever takes.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A default of an input that nothing ever takes.
pub static RULE: Rule = Rule {
    code: "SQ0213",
    name: "default-without-effect",
    severity: Severity::Error,
    explanation: "\
An `update_…` without steps leaves a field alone whose input is not given, so no default is ever taken. The input `id` says
which row an action works on, and must be given.

Wrong:
```yaml
- name: update_order
  input: {note: text = none}
```

Right:
```yaml
- name: update_order
  input: {note: text}
```
",
};

/// An input of an `update_…` without steps.
#[must_use]
pub fn of_update(span: Span, action: &str, input: &str) -> Diagnostic {
    Diagnostic::new(
        &RULE,
        span,
        format!("the default of `{input}` has no effect: `{action}` leaves alone what is not given"),
    )
    .help(format!("leave the default out, or give `{action}` its `steps:`"))
}

/// The input `id` of an action that works on that row.
#[must_use]
pub fn of_id(span: Span, action: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the default of `id` has no effect: it says which row `{action}` works on"))
        .help("leave the default out; `id` must be given")
}
