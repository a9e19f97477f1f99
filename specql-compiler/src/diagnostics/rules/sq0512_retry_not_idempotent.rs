//! SQ0512: a retry that may do something twice.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A retry that may do something twice.
pub static RULE: Rule = Rule {
    code: "SQ0512",
    name: "retry-not-idempotent",
    severity: Severity::Error,
    explanation: "\
After a 500, 502 or 504 nobody knows whether the call took effect. It is repeated only where that is harmless: by its method, by an
idempotency header that the service honours, or because the operation says `idempotent: true`.

Wrong:
```yaml
method: POST
path: /charges
retry_on: [500]
```

Right:
```yaml
method: POST
path: /charges
idempotency_header: Idempotency-Key
retry_on: [500]
```
",
};

/// `status` leaves the outcome open.
#[must_use]
pub fn retry_not_idempotent(span: Span, status: u16) -> Diagnostic {
    Diagnostic::new(
        &RULE,
        span,
        format!("after a {status} the call may have taken effect: repeating it may do it twice"),
    )
    .help("give the operation an `idempotency_header`, or `idempotent: true` where a repetition is harmless")
}
