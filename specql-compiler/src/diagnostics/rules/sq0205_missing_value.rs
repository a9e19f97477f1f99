//! SQ0205: an insert without a required field.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An insert without a required field.
pub static RULE: Rule = Rule {
    code: "SQ0205",
    name: "missing-value",
    severity: Severity::Error,
    explanation: "\
A required field without a default needs a value in every insert.

Wrong:
```yaml
- insert: Order
  values: {total: 0}
```

Right:
```yaml
- insert: Order
  values: {total: 0, customer_email: $input.customer_email}
```
",
};

/// The insert gives no value to `fields` (name and type) of `entity`.
#[must_use]
pub fn error(span: Span, entity: &str, fields: &[String]) -> Diagnostic {
    let (noun, it) = if fields.len() == 1 { ("field", "it") } else { ("fields", "them") };
    let list = fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    Diagnostic::new(&RULE, span, format!("this insert of `{entity}` leaves out the required {noun} {list}"))
        .help(format!("add {it} to `values:`, or to the action's `input:`"))
}
