//! SQ0503: a key that this version of SpecQL does not act on.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key that this version of SpecQL does not act on.
pub static RULE: Rule = Rule {
    code: "SQ0503",
    name: "no-effect-yet",
    severity: Severity::Warning,
    explanation: "\
The key is known and will be used by a later version. Until then calls are made as if it were not there.

Wrong:
```yaml
limits: {concurrency: 20}
```

Right:
```yaml
# leave `limits` out, or accept that it has no effect yet
```
",
};

/// `key` is read and not used.
#[must_use]
pub fn no_effect_yet(span: Span, key: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{key}` is not implemented yet and has no effect"))
}
