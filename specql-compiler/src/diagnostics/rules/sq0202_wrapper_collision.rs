//! SQ0202: two actions would be one public function.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Two actions would be one public function.
pub static RULE: Rule = Rule {
    code: "SQ0202",
    name: "wrapper-collision",
    severity: Severity::Error,
    explanation: "\
An action is called through `app.<wrapper>`; the wrapper's name is the action's unless `wrapper:` says otherwise. SpecQL
never renames an existing function because another entity was added, so the choice is yours.

Wrong:
```yaml
entity: Order
actions: [{name: cancel}]
---
entity: Invoice
actions: [{name: cancel}]
```

Right:
```yaml
entity: Order
actions: [{name: cancel}]
---
entity: Invoice
actions: [{name: cancel, wrapper: cancel_invoice}]
```
",
};

/// `app.<wrapper>` is taken by the action of `other` at `first`.
#[must_use]
pub fn error(span: Span, first: Span, wrapper: &str, other: &str, proposal: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`app.{wrapper}` is the public function of an action of `{other}` already"))
        .related(first, "first here")
        .help(format!("give one of them a name of its own: `wrapper: {proposal}`"))
}
