//! SQ0141: a key of a field that does not fit its type.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key of a field that does not fit its type.
pub static RULE: Rule = Rule {
    code: "SQ0141",
    name: "invalid-option",
    severity: Severity::Error,
    explanation: "\
`on_delete` and `schema` belong to references. `on_delete: set_null` needs a field that may be NULL.

Wrong:
```yaml
fields:
  total: {type: integer, on_delete: cascade}
```

Right:
```yaml
fields:
  customer: {type: ref(Customer), on_delete: cascade}
```
",
};

/// What does not fit, and what would.
#[must_use]
pub fn error(span: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::new(&RULE, span, message).help(help)
}
