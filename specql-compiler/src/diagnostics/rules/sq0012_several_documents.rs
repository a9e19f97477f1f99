//! SQ0012: several documents in a file that holds one.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Several documents in a file that holds one.
pub static RULE: Rule = Rule {
    code: "SQ0012",
    name: "several-documents",
    severity: Severity::Error,
    explanation: "\
An entity file may hold several documents; a registry file holds one, with one list of services. Any number of files is read together.

Wrong:
```yaml
services: []
---
services: []
```

Right:
```yaml
services: []
```
",
};

/// A further document begins here.
#[must_use]
pub fn several_documents(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "a registry file holds one document")
        .help("put these services into the first list, or into a file of their own")
}
