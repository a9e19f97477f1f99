//! SQ0403: a call without a required input.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A call without a required input.
pub static RULE: Rule = Rule {
    code: "SQ0403",
    name: "missing-input",
    severity: Severity::Error,
    explanation: "\
An operation's required inputs (`!` in its `input_schema`, without a default) are given by every call.

Wrong:
```yaml
- call_service: {service: stripe, operation: create_charge, input: {currency: $order.currency}}
```

Right:
```yaml
- call_service: {service: stripe, operation: create_charge, input: {amount: $order.total}}
```
",
};

/// `missing` (name and type) of `operation` are not given.
#[must_use]
pub fn error(span: Span, operation: &str, missing: &[String]) -> Diagnostic {
    let (noun, it) = if missing.len() == 1 { ("input", "it") } else { ("inputs", "them") };
    let list = missing.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    Diagnostic::new(&RULE, span, format!("`{operation}` needs the {noun} {list}"))
        .help(format!("add {it} to `input:`; every required input is given by every call"))
}
