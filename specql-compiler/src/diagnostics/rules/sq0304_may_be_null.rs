//! SQ0304: a value that may be NULL where one must be.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A value that may be NULL where one must be.
pub static RULE: Rule = Rule {
    code: "SQ0304",
    name: "may-be-null",
    severity: Severity::Error,
    explanation: "\
A required field or input always needs a value. What may be NULL (an optional field, an optional input) must be given
another value in that case, or the action must have asked before whether it is there.

Wrong:
```yaml
- update: Order SET total = discount
```

Right:
```yaml
- update: Order SET total = coalesce(discount, 0)
```

Or:
```yaml
- validate: discount IS NOT NULL
- update: Order SET total = $order.discount
```
",
};

/// The value of `path` in a text may be NULL.
#[must_use]
pub fn in_text(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, "this may be NULL, and a text has no place for that")
        .help(format!("say what stands there then: `{{{path} ?? none}}`, or nothing: `{{{path} ??}}`"))
}

/// The value for `wanted` may be NULL.
#[must_use]
pub fn error(span: Span, wanted: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("this may be NULL, but {wanted} is required"))
        .help("give a value for that case: `coalesce(…, value)`")
}
