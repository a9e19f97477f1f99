//! SQ0007: a value inside `{…}` was split at a comma.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A value inside `{…}` was split at a comma.
pub static RULE: Rule = Rule {
    code: "SQ0007",
    name: "split-parenthesis",
    severity: Severity::Error,
    explanation: "\
Inside `{…}` a comma ends a value, in parentheses too: YAML reads `{status: enum(a, b)}` as the two keys `status` and `b)`.

Wrong:
```yaml
fields: {status: enum(open, closed)}
```

Right:
```yaml
fields: {status: \"enum(open, closed)\"}
```
",
};

/// `text` is what was meant as the value of `key`.
#[must_use]
pub fn split_parenthesis(span: Span, key: &str, text: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("inside `{{…}}` the value of `{key}` ends at the comma"))
        .help(format!("quote it: {key}: \"{text}\""))
}
