//! SQ0401: a service that is not in the registry.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// A service that is not in the registry.
pub static RULE: Rule = Rule {
    code: "SQ0401",
    name: "unknown-service",
    severity: Severity::Error,
    explanation: "\
A call names a service of the registry: a built-in one, or one of the project's `registry/*.yaml`.

Wrong:
```yaml
- call_service: {service: strip, operation: create_charge, input: {amount: $order.total}}
```

Right:
```yaml
- call_service: {service: stripe, operation: create_charge, input: {amount: $order.total}}
```
",
};

/// There is no service `name`.
#[must_use]
pub fn error<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("unknown service `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic.help("declare it in `registry/service_registry.yaml`"),
    }
}
