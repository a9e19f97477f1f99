//! SQ0003: a key stands twice in a mapping.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key stands twice in a mapping.
pub static RULE: Rule = Rule {
    code: "SQ0003",
    name: "duplicate-key",
    severity: Severity::Error,
    explanation: "\
YAML readers disagree on which of two equal keys counts: some take the first, some the last. `1` and `'1'` are the same key.

Wrong:
```yaml
fields:
  total: integer
  total: money
```

Right:
```yaml
fields:
  total: integer
  net_total: money
```
",
};

/// The key stands at `first` already.
#[must_use]
pub fn duplicate_key(span: Span, first: Span, key: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("duplicate key `{key}`"))
        .related(first, "first here")
        .help("a key stands once in a mapping; remove or rename one of them")
}
