//! SQ0513: an operation that says nowhere what is called.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An operation that says nowhere what is called.
pub static RULE: Rule = Rule {
    code: "SQ0513",
    name: "no-target",
    severity: Severity::Warning,
    explanation: "\
Without a target the operation is served by a handler in your own code (`.handle::<services::crm::Sync>(…)` of the worker's builder), or
by another worker. Jobs that nobody serves wait. `handled_in_code: true` says that this is meant: no worker starts without the handler.

Wrong:
```yaml
- name: crm
  operations: [{name: sync}]
```

Right:
```yaml
- name: crm
  runner_config: {base_url: \"https://crm.example.eu\"}
  operations: [{name: sync, path: /sync}]
```

Or:
```yaml
- name: crm
  handled_in_code: true
  operations: [{name: sync}]
```
",
};

/// The operation is served by a handler.
#[must_use]
pub fn no_target(span: Span, service: &str, operation: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{service}.{operation}` names no target: a handler in code must serve it"))
        .help(
            "write `handled_in_code: true` in the service if a handler does, or a `runner_config` with what is called",
        )
}
