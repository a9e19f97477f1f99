//! SQ0507: an input that no request would carry.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An input that no request would carry.
pub static RULE: Rule = Rule {
    code: "SQ0507",
    name: "unused-input",
    severity: Severity::Error,
    explanation: "\
With a `body_template`, or without a body, only what a template names is sent. A declared input that goes nowhere would be given,
checked and lost.

Wrong:
```yaml
input_schema: {to: text!, subject: text}
body_template: {to: \"{to}\"}
```

Right:
```yaml
input_schema: {to: text!, subject: text}
body_template: {to: \"{to}\", subject: \"{subject}\"}
```
",
};

/// The input `name` goes nowhere.
#[must_use]
pub fn unused_input(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the input `{name}` is used nowhere"))
        .help(format!("put `{{{name}}}` into the path, `query`, `headers` or `body_template`, or remove it"))
}
