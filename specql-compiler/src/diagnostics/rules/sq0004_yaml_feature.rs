//! SQ0004: a feature of YAML that specifications do without.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A feature of YAML that specifications do without.
pub static RULE: Rule = Rule {
    code: "SQ0004",
    name: "yaml-feature",
    severity: Severity::Error,
    explanation: "\
Anchors, aliases, merge keys and tags make a value depend on another place, or on the program that reads it. A specification is
read by people and by several tools, and says each value where it stands.

Wrong:
```yaml
base: &base {currency: text}
order:
  <<: *base
```

Right:
```yaml
order:
  currency: text
```
",
};

/// `what` (with its article) is not read; `help` says what to do instead.
#[must_use]
pub fn refused_feature(span: Span, what: &str, help: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("{what} is not allowed")).help(help)
}
