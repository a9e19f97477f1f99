//! SQ0409: a call for a new row that is taken for an earlier call.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A call for a new row that is taken for an earlier call.
pub static RULE: Rule = Rule {
    code: "SQ0409",
    name: "taken-for-another",
    severity: Severity::Warning,
    explanation: "\
The name of a call is that of the action's own row, unless `idempotency_key` says another. With `unique: once`, as payments have it, the
same name means the same call for ever. So if an action makes a new row each time and calls for that row, the second call is taken for the
first: nothing is called, and no callback runs for the new row. Name the call after the new row.

Wrong:
```yaml
- insert: Invoice
  values: {total: $order.total}
  as: invoice
- call_service:
    service: stripe
    operation: create_charge
    input: {amount: $order.total, currency: $order.currency}
    on_success:
      - update: Invoice SET note = $output.id WHERE id = $invoice.id
```

Right:
```yaml
- insert: Invoice
  values: {total: $order.total}
  as: invoice
- call_service:
    service: stripe
    operation: create_charge
    input: {amount: $order.total, currency: $order.currency}
    idempotency_key: $invoice.id
    on_success:
      - update: Invoice SET note = $output.id WHERE id = $invoice.id
```
",
};

/// The call is `once` for the action's own row `own`, and made for the row `new`.
#[must_use]
pub fn warning(span: Span, operation: &str, own: &str, new: &str) -> Diagnostic {
    let message = format!("`{operation}` is called once for each `${own}`, although `${new}` is new each time");
    Diagnostic::new(&RULE, span, message).help(format!(
        "add `idempotency_key: ${new}.id`; if there is never a second one, say so: `idempotency_key: ${own}.id`"
    ))
}
