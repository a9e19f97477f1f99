//! SQ0405: a value that does not fit an input of a call.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A value that does not fit an input of a call.
pub static RULE: Rule = Rule {
    code: "SQ0405",
    name: "input-type",
    severity: Severity::Error,
    explanation: "\
Each value of a call's `input:` has the type that the operation's `input_schema` gives the input.

Wrong:
```yaml
input: {amount: $order.customer_email}
```

Right:
```yaml
input: {amount: $order.total}
```
",
};

/// The input `name` of `operation` is `wanted`, the value is `found`.
#[must_use]
pub fn error(span: Span, operation: &str, name: &str, wanted: &str, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the input `{name}` of `{operation}` is {wanted}, found {found}"))
}
