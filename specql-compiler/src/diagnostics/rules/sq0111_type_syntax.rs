//! SQ0111: a type that is not written as one.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A type that is not written as one.
pub static RULE: Rule = Rule {
    code: "SQ0111",
    name: "type-syntax",
    severity: Severity::Error,
    explanation: "\
A type is a name, perhaps with arguments in parentheses, then `!` where the value is required, then `=` and a default.

Wrong:
```yaml
fields:
  status: enum(open closed)
```

Right:
```yaml
fields:
  status: enum(open, closed)
```
",
};

/// `what` says what is wrong.
#[must_use]
pub fn type_syntax(span: Span, what: String) -> Diagnostic {
    Diagnostic::new(&RULE, span, what)
}
