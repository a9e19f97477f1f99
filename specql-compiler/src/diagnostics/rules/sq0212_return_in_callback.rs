//! SQ0212: a `return` with a value in a callback.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A `return` with a value in a callback.
pub static RULE: Rule = Rule {
    code: "SQ0212",
    name: "return-in-callback",
    severity: Severity::Error,
    explanation: "\
Nobody reads what a callback returns: it runs when the job is done. There `return:` stands alone and ends the callback.

Wrong:
```yaml
on_success:
  - return: $order
```

Right:
```yaml
on_success:
  - if: $order.total = 0
    then:
      - return:
```
",
};

/// A value that nobody reads.
#[must_use]
pub fn error(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "nobody reads what a callback returns")
        .help("write `return:` without a value, or `notify:` somebody")
}
