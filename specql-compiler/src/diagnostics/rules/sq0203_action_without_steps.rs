//! SQ0203: an action that does nothing.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An action that does nothing.
pub static RULE: Rule = Rule {
    code: "SQ0203",
    name: "action-without-steps",
    severity: Severity::Warning,
    explanation: "\
`create_…`, `update_…` and `delete_…` have a standard body; any other action does what its steps say. Without steps it
answers `failed:not_implemented`, never success.

Wrong:
```yaml
- name: ship_order
```

Right:
```yaml
- name: ship_order
  steps:
    - update: Order SET shipped = true
```
",
};

/// The action `name` has no steps.
#[must_use]
pub fn warning(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the action `{name}` has no steps and answers `failed:not_implemented`"))
        .help("give it `steps:`")
}
