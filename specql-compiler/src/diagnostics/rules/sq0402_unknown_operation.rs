//! SQ0402: an operation that the service does not have.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// An operation that the service does not have.
pub static RULE: Rule = Rule {
    code: "SQ0402",
    name: "unknown-operation",
    severity: Severity::Error,
    explanation: "\
A call names one of the operations that the registry lists for its service.

Wrong:
```yaml
- call_service: {service: stripe, operation: create_chrage, input: {amount: $order.total}}
```

Right:
```yaml
- call_service: {service: stripe, operation: create_charge, input: {amount: $order.total}}
```
",
};

/// `service` has no operation `name`.
#[must_use]
pub fn error<'a>(span: Span, service: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("`{service}` has no operation `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
