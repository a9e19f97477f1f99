//! SQ0215: rows that are counted before another one is inserted, with nothing locked.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Rows that are counted before another one is inserted, with nothing locked.
pub static RULE: Rule = Rule {
    code: "SQ0215",
    name: "counted-without-lock",
    severity: Severity::Warning,
    explanation: "\
Two calls at the same time both ask for the rows before either has inserted its own: both find a free seat, and both take it. Lock
the row that they compete for before you ask, then the second call waits and counts what the first one has inserted. If no two rows
may be equal in some fields, `unique:` of the entity ensures it without a lock, and the warning is not given.

Wrong:
```yaml
- find: Event WHERE id = $input.event
- validate: count(Ticket WHERE event = $event) < $event.seats
- insert: Ticket
  values: {event: $event}
```

Right:
```yaml
- find: Event WHERE id = $input.event
  lock: true
- validate: count(Ticket WHERE event = $event) < $event.seats
- insert: Ticket
  values: {event: $event}
```
",
};

/// Rows of `entity` were asked for at `question`, and one is inserted at `insert`.
#[must_use]
pub fn warning(question: Span, entity: &str, insert: Span) -> Diagnostic {
    let message =
        format!("nothing is locked: another call may insert a row of `{entity}` between this condition and the insert");
    Diagnostic::new(&RULE, question, message).related(insert, "inserted here").help(
        "before it, `find` the row that they compete for, with `lock: true`; what must not be there twice is `unique:`",
    )
}
