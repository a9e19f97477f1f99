//! SQ0501: a key of a registry file that nobody knows.

use crate::diagnostics::help_for;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key of a registry file that nobody knows.
pub static RULE: Rule = Rule {
    code: "SQ0501",
    name: "unknown-registry-key",
    severity: Severity::Error,
    explanation: "\
Every key of the registry decides what a worker may do, so one that is not understood stops the build.

Wrong:
```yaml
services:
  - name: crm
    runner_cfg: {base_url: \"https://crm.example.eu\"}
```

Right:
```yaml
services:
  - name: crm
    runner_config: {base_url: \"https://crm.example.eu\"}
```
",
};

/// `place` says whose key it is; `known` are its keys.
#[must_use]
pub fn unknown_registry_key<'a>(
    span: Span,
    key: &str,
    place: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("unknown key `{key}` in {place}")).maybe_help(help_for(key, known))
}
