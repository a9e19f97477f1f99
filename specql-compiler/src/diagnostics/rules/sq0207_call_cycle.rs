//! SQ0207: actions that call each other in a circle.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Actions that call each other in a circle.
pub static RULE: Rule = Rule {
    code: "SQ0207",
    name: "call-cycle",
    severity: Severity::Error,
    explanation: "\
An action runs the actions that it calls in its own transaction, and so it can never come back to itself, not by way of another
one and not in a callback. For the same reason no more than 64 actions may call each other in a row.

Wrong:
```yaml
actions:
  - name: open
    steps:
      - call: close(id = $order.id)
  - name: close
    steps:
      - call: open(id = $order.id)
```

Right:
```yaml
actions:
  - name: open
    steps:
      - call: close(id = $order.id)
  - name: close
    steps:
      - update: Order SET note = 'closed'
```
",
};

/// A call that closes a circle; `path` are the actions on it, the first one again at the end.
#[must_use]
pub fn error(span: Span, path: &[String]) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("this call comes back to itself: {}", path.join(" → ")))
        .help("take one of the calls away, or do its steps here")
}

/// An action from which more than `most` actions follow, each called by the one before; `path` are all of them.
#[must_use]
pub fn too_long(span: Span, path: &[String], most: usize) -> Diagnostic {
    let message = format!("{} actions call each other in a row: {}", path.len(), path.join(" → "));
    Diagnostic::new(&RULE, span, message)
        .help(format!("do the steps of some of them in those that call them: at most {most} are run in a row"))
}
