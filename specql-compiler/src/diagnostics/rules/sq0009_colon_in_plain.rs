//! SQ0009: a colon and a space inside a value without quotes.

use super::quote;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A colon and a space inside a value without quotes.
pub static RULE: Rule = Rule {
    code: "SQ0009",
    name: "colon-in-plain",
    severity: Severity::Error,
    explanation: "\
A colon followed by a space makes a key of what stands before it, even between quotation marks that belong to the expression.

Wrong:
```yaml
- validate: label = 'a: b'
```

Right:
```yaml
- validate: \"label = 'a: b'\"
```
",
};

/// `text` is the whole that was meant.
#[must_use]
pub fn colon_in_plain(span: Span, text: &str) -> Diagnostic {
    let quoted = quote(text);
    Diagnostic::new(&RULE, span, "`: ` inside a value without quotes makes a key of it")
        .help(format!("quote it: {quoted}"))
}
