//! SQ0311: rows of an entity where only a row itself is seen.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Rows of an entity where only a row itself is seen.
pub static RULE: Rule = Rule {
    code: "SQ0311",
    name: "no-other-rows",
    severity: Severity::Error,
    explanation: "\
`count(…)`, `exists(…)`, `sum(…)`, `avg(…)`, `min(…)` and `max(…)` read the rows of an entity when a step runs. PostgreSQL checks a
row of `checks:` by itself, when it is written, and never again; a `backfill:` fills each row from its own fields. Neither sees other rows.
A rule about other rows is a `validate:` of the actions that write them.

Wrong:
```yaml
checks:
  few_tickets: count(Ticket) <= 100
```

Right:
```yaml
actions:
  - name: sell_ticket
    steps:
      - validate: count(Ticket) < 100
      - insert: Ticket
```
",
};

/// `function` reads rows of an entity.
#[must_use]
pub fn error(span: Span, function: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{function}` reads other rows, and here only the row itself is seen"))
        .help("name fields of the row; a rule about other rows is a `validate:` of the actions")
}
