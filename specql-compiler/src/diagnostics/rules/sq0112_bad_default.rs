//! SQ0112: a default that is no value of its type.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A default that is no value of its type.
pub static RULE: Rule = Rule {
    code: "SQ0112",
    name: "bad-default",
    severity: Severity::Error,
    explanation: "\
A default is checked when the project is compiled, against the same rules that values meet at run time. Text may be a bare word or
quoted; numbers and booleans are never quoted.

Wrong:
```yaml
fields:
  amount: integer = ten
  status: enum(open, closed) = opened
```

Right:
```yaml
fields:
  amount: integer = 10
  status: enum(open, closed) = open
```
",
};

/// `what` says what is wrong.
#[must_use]
pub fn bad_default(span: Span, what: String) -> Diagnostic {
    Diagnostic::new(&RULE, span, what)
}
