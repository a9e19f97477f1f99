//! SQ0516: a service that a handler serves, and that says what is called.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A service that a handler serves, and that says what is called.
pub static RULE: Rule = Rule {
    code: "SQ0516",
    name: "handled-in-code",
    severity: Severity::Error,
    explanation: "\
`handled_in_code: true` says that a handler in code serves the service. Then nothing is called, and a `runner_config` would have no effect.

Wrong:
```yaml
- name: crm
  handled_in_code: true
  runner_config: {base_url: \"https://crm.example.eu\"}
  operations: [{name: sync}]
```

Right:
```yaml
- name: crm
  handled_in_code: true
  operations: [{name: sync}]
```
",
};

/// The service says both.
#[must_use]
pub fn handled_in_code(span: Span, target: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "a service that a handler serves has no `runner_config`")
        .related(target, "this says what is called")
        .help("leave one of them out")
}
