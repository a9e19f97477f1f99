//! SQ0404: an input that the operation does not take.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// An input that the operation does not take.
pub static RULE: Rule = Rule {
    code: "SQ0404",
    name: "unknown-input",
    severity: Severity::Error,
    explanation: "\
A call gives the inputs that the operation's `input_schema` lists, and no others.

Wrong:
```yaml
input: {amuont: $order.total}
```

Right:
```yaml
input: {amount: $order.total}
```
",
};

/// `operation` has no input `name`.
#[must_use]
pub fn error<'a>(span: Span, operation: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("`{operation}` has no input `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
