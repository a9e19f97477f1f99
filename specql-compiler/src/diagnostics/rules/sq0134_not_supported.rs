//! SQ0134: a part of the language that this version does not have yet.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A part of the language that this version does not have yet.
pub static RULE: Rule = Rule {
    code: "SQ0134",
    name: "not-supported",
    severity: Severity::Error,
    explanation: "\
The key is known, and this version of SpecQL cannot compile it yet. It is refused, for skipping it would change what the
project does.

Wrong:
```yaml
domains:
  sales: {multi_tenant: true, subdomains: {}}
```

Right:
```yaml
domains:
  sales: {multi_tenant: true}
```
",
};

/// A key of the language.
#[must_use]
pub fn key(span: Span, key: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{key}` is not supported yet")).help("remove it")
}
