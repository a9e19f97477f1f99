//! SQ0008: an expression was cut by ` #`.

use super::quote;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An expression was cut by ` #`.
pub static RULE: Rule = Rule {
    code: "SQ0008",
    name: "cut-by-comment",
    severity: Severity::Error,
    explanation: "\
A space and `#` begin a comment in a value without quotes, even between quotation marks that belong to the expression.

Wrong:
```yaml
- validate: code LIKE 'A #%'
```

Right:
```yaml
- validate: \"code LIKE 'A #%'\"
```
",
};

/// `text` is the whole that was meant.
#[must_use]
pub fn cut_by_comment(span: Span, text: &str) -> Diagnostic {
    let quoted = quote(text);
    Diagnostic::new(&RULE, span, "the value ends here: ` #` begins a comment").help(format!("quote it: {quoted}"))
}
