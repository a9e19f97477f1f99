//! SQ0135: a key of the original SpecQL that has no effect here.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key of the original SpecQL that has no effect here.
pub static RULE: Rule = Rule {
    code: "SQ0135",
    name: "ignored-key",
    severity: Severity::Warning,
    explanation: "\
Files written for the original SpecQL may hold keys that this compiler does not implement. So that such a file still
builds, they are reported and have no effect.

Wrong:
```yaml
entity: Order
patterns: [audited]
```

Right:
```yaml
entity: Order
```
",
};

/// `key` has no effect.
#[must_use]
pub fn warning(span: Span, key: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{key}` is not implemented and has no effect")).help("remove it")
}
