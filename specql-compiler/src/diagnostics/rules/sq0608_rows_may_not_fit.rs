//! SQ0608: a change that rows may not fit.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A change that rows may not fit.
pub static RULE: Rule = Rule {
    code: "SQ0608",
    name: "rows-may-not-fit",
    severity: Severity::Error,
    explanation: "\
A table that is in a sealed migration may hold rows. A change that demands something of them (a value in a new column, another type,
a narrower list, uniqueness) would fail on some databases and not on others. Where the rows are known to fit it is allowed by the id that the error names: they are
then read while others go on writing, and where one does not fit the migration stops there and loses nothing.

Wrong:
```yaml
fields:
  discount: integer!        # new, and rows that are there have none
```

Right:
```yaml
fields:
  discount: integer! = 0
```
",
};

/// What rows may not fit.
#[must_use]
pub fn rows_may_not_fit(span: Span, message: &str, help: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, message).help(help)
}
