//! SQ0503: a key of the original that nothing acts on.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A key of the original that nothing acts on.
pub static RULE: Rule = Rule {
    code: "SQ0503",
    name: "no-effect-yet",
    severity: Severity::Warning,
    explanation: "\
A registry of the original SpecQL may say `auth_type`. So that it still loads, the key is reported and has no effect:
what is sent with a call stands under `auth`.

Wrong:
```yaml
services:
  - name: crm
    auth_type: bearer
```

Right:
```yaml
services:
  - name: crm
    runner_config: {base_url: \"https://crm.example.eu\", auth: {type: bearer, token: {env: CRM_TOKEN}}}
```
",
};

/// `key` is read and not used.
#[must_use]
pub fn no_effect_yet(span: Span, key: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{key}` has no effect"))
        .help("write `auth: {type: …}` in `runner_config`, or remove it")
}
