//! SQ0218: `in_batches_of:` where nothing calls again for the next batch.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// `in_batches_of:` where nothing calls again for the next batch.
pub static RULE: Rule = Rule {
    code: "SQ0218",
    name: "misplaced-batches",
    severity: Severity::Error,
    explanation: "\
A schedule calls an action with `in_batches_of:` again and again, each time in another transaction, until all rows are done. A step
before the loop would be taken again with each batch. So the loop is the only step, it goes through its rows in the order of their keys,
and a schedule calls the action.

Wrong:
```yaml
actions:
  - name: remind
    steps:
      - foreach: order in find Order WHERE NOT shipped
        in_batches_of: 500
        do:
          - notify: $order.customer_email(orders, \"it takes longer\")
```

Right:
```yaml
actions:
  - name: remind
    steps:
      - foreach: order in find Order WHERE NOT shipped
        in_batches_of: 500
        do:
          - notify: $order.customer_email(orders, \"it takes longer\")
schedules:
  - {name: daily, cron: \"0 9 * * *\", action: remind}
```
",
};

/// The loop is not the only step of its action.
#[must_use]
pub fn not_alone(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "only a loop that is the only step of its action is done in batches")
        .help("take the other steps in an action of their own, or leave `in_batches_of` out")
}

/// No schedule calls the action.
#[must_use]
pub fn not_scheduled(span: Span, action: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("nothing calls for the next batch: no schedule calls `{action}`"))
        .help(format!("add one under `schedules:`, with `action: {action}`, or leave `in_batches_of` out"))
}

/// The loop has an order or a limit.
#[must_use]
pub fn ordered(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "batches go through rows in the order of their keys, up to the last one")
        .help("leave out `ORDER BY` and `LIMIT`, or `in_batches_of`")
}

/// Another action calls it.
#[must_use]
pub fn called(span: Span, action: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{action}` is done in batches, for which a schedule calls"))
        .help("take its steps in a third action that both call, or leave `in_batches_of` out there")
}
