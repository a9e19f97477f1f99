//! SQ0609: a change that would lock a table for long.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A change that would lock a table for long.
pub static RULE: Rule = Rule {
    code: "SQ0609",
    name: "long-lock",
    severity: Severity::Error,
    explanation: "\
Some changes make PostgreSQL write every row of a table anew, and nobody else can read or write it meanwhile: a wider number, another
type. On a small table that is nothing; on a big one the application stands still. So it is done only when somebody says so.

Wrong:
```yaml
fields:
  total: bigint!            # was integer!, and the table is big
```

Right:
```sh
cargo specql migrate allow change_type:sales.tb_order.total
```
",
};

/// What would be locked, and why.
#[must_use]
pub fn long_lock(span: Span, message: &str, help: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, message).help(help)
}
