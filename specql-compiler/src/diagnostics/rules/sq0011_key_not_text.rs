//! SQ0011: a key that is no text.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key that is no text.
pub static RULE: Rule = Rule {
    code: "SQ0011",
    name: "key-not-text",
    severity: Severity::Error,
    explanation: "\
A key is a word. Lists, mappings and nothing at all cannot be keys.

Wrong:
```yaml
? [a, b]
: 1
```

Right:
```yaml
ab: 1
```
",
};

/// `kind` is what stands in the key's place.
#[must_use]
pub fn key_not_text(span: Span, kind: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("a key must be text, not {kind}")).help("quote a key that is text")
}
