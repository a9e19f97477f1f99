//! SQ0214: a row that is asked and then changed, without a lock.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A row that is asked and then changed, without a lock.
pub static RULE: Rule = Rule {
    code: "SQ0214",
    name: "unlocked-row",
    severity: Severity::Warning,
    explanation: "\
Between `find` and the step that changes the row, another transaction may change it as well. What a `validate` or an `if` has
found out about it is then no longer true: two calls at the same time both find the last ticket, and both sell it. `lock: true`
locks the row until the end of the transaction, so that the second call waits and then sees what the first one has done. Or
ask again in the statement itself: `WHERE id = $ticket.id AND NOT sold`.

Wrong:
```yaml
- find: Ticket WHERE id = $input.ticket
- validate: NOT $ticket.sold
- update: Ticket SET sold = TRUE WHERE id = $ticket.id
```

Right:
```yaml
- find: Ticket WHERE id = $input.ticket
  lock: true
- validate: NOT $ticket.sold
- update: Ticket SET sold = TRUE WHERE id = $ticket.id
```
",
};

/// The row `name` was found without a lock, and its `field` gets a value that is computed from what was read of it.
#[must_use]
pub fn lost(found: Span, name: &str, field: &str, change: Span) -> Diagnostic {
    let message = format!("`${name}` is not locked: what another transaction writes into `{field}` meanwhile is lost");
    Diagnostic::new(&RULE, found, message).related(change, "computed here from what was read before").help(format!(
        "add `lock: true`, or compute it from the row as it is then: `{field}` instead of `${name}.{field}`"
    ))
}

/// The row `name` was found without a lock, asked at `question` and changed at `change`.
#[must_use]
pub fn warning(found: Span, name: &str, question: Span, change: Span) -> Diagnostic {
    let message = format!("`${name}` is not locked: it may change between the condition on it and its update");
    Diagnostic::new(&RULE, found, message)
        .related(question, "asked here")
        .related(change, "changed here")
        .help("add `lock: true`, or ask again in the condition of the update")
}
