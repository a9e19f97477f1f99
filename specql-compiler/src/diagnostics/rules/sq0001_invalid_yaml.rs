//! SQ0001: the file is not YAML.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// The file is not YAML.
pub static RULE: Rule = Rule {
    code: "SQ0001",
    name: "invalid-yaml",
    severity: Severity::Error,
    explanation: "\
The YAML reader could not make sense of the file at this place. Nothing behind it was read.

Wrong:
```yaml
fields: [a, b
```

Right:
```yaml
fields: [a, b]
```
",
};

/// The reader stopped here.
#[must_use]
pub fn invalid_yaml(span: Span, info: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("invalid YAML: {info}")).help("what stands behind this place was not read")
}
