//! SQ0133: a key is missing.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key is missing.
pub static RULE: Rule = Rule {
    code: "SQ0133",
    name: "missing-key",
    severity: Severity::Error,
    explanation: "\
Some keys have no default: without them the rest cannot be understood.

Wrong:
```yaml
actions:
  - steps: []
```

Right:
```yaml
actions:
  - name: place_order
    steps: []
```
",
};

/// `what` has no `key`.
#[must_use]
pub fn error(span: Span, what: &str, key: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("{what} needs the key `{key}`")).help(format!("add `{key}:`"))
}
