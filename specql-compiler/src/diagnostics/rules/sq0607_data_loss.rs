//! SQ0607: a change that would lose data.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A change that would lose data.
pub static RULE: Rule = Rule {
    code: "SQ0607",
    name: "data-loss",
    severity: Severity::Error,
    explanation: "\
Dropping a table or a column cannot be taken back. Nor can a type that rounds or cuts what is there, or a reference to another entity than
before: its numbers are those of other rows. So no build does it by itself. What only has another name says so, with
`renamed_from`, and keeps its rows. What is meant to go is allowed by the id that the error names; the migration is marked with it.

Wrong:
```yaml
entity: Order
fields:
  total: integer!
  # note: text       was here, and is in the database
```

Right:
```yaml
entity: Order
fields:
  total: integer!
  note: text
```
",
};

/// What would be lost.
#[must_use]
pub fn data_loss(span: Span, message: &str, help: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, message).help(help)
}
