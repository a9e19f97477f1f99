//! SQ0208: a call of something that does not exist.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// A call of something that does not exist.
pub static RULE: Rule = Rule {
    code: "SQ0208",
    name: "unknown-callable",
    severity: Severity::Error,
    explanation: "\
`call` names an action of the own entity, any other action by the name of its function in schema `app`, or a function of
`functions:`.

Wrong:
```yaml
actions:
  - name: reserve
    steps:
      - update: Order SET note = 'reserved'
  - name: open
    steps:
      - call: resreve(id = $order.id)
```

Right:
```yaml
actions:
  - name: reserve
    steps:
      - update: Order SET note = 'reserved'
  - name: open
    steps:
      - call: reserve(id = $order.id)
```
",
};

/// Nothing of that name can be called.
#[must_use]
pub fn error<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("there is no action or function `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
