//! SQ0206: a variable that exists already.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A variable that exists already.
pub static RULE: Rule = Rule {
    code: "SQ0206",
    name: "already-bound",
    severity: Severity::Error,
    explanation: "\
A name given with `as:` is one row, or one job, of its action.

Wrong:
```yaml
- insert: Customer
  as: who
- insert: Agent
  as: who
```

Right:
```yaml
- insert: Customer
  as: customer
- insert: Agent
  as: agent
```
",
};

/// `name` is taken.
#[must_use]
pub fn error(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`${name}` exists already in this action")).help("choose another name")
}

/// `name` has a meaning of its own.
#[must_use]
pub fn reserved(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`${name}` has a meaning of its own")).help("choose another name")
}
