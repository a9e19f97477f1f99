//! SQ0503: an `auth_type` without `auth`.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An `auth_type` without `auth`.
pub static RULE: Rule = Rule {
    code: "SQ0503",
    name: "no-credential",
    severity: Severity::Warning,
    explanation: "\
`auth_type` is the original SpecQL's place for the `type` of `auth`. Alone it names no credential, so that calls are sent
without one. A registry of the original that says no more still loads.

Wrong:
```yaml
services:
  - name: crm
    runner_config: {base_url: \"https://crm.example.eu\", auth_type: bearer}
```

Right:
```yaml
services:
  - name: crm
    runner_config: {base_url: \"https://crm.example.eu\", auth: {type: bearer, token: {env: CRM_TOKEN}}}
```
",
};

/// An `auth_type` alone.
#[must_use]
pub fn no_credential(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "`auth_type` alone names no credential: calls are sent without one")
        .help("write `auth: {type: …}` with the credential in `runner_config`, or remove it")
}
