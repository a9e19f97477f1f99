//! SQ0502: something that this version of SpecQL cannot do yet.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Something that this version of SpecQL cannot do yet.
pub static RULE: Rule = Rule {
    code: "SQ0502",
    name: "not-implemented",
    severity: Severity::Error,
    explanation: "\
The language knows this, but this version does not act on it, and leaving it out would change what a call may do or reach.

Wrong:
```yaml
services:
  - name: etl
    execution_type: docker
```

Right:
```yaml
services:
  - name: etl
    execution_type: http
```
",
};

/// `what` is what cannot be done.
#[must_use]
pub fn not_implemented(span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("{what} is not implemented yet"))
        .help("leave it out until it is: what it says would not be done")
}
