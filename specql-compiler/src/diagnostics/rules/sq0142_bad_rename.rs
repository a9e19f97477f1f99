//! SQ0142: `renamed_from` names what cannot have been the name.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// `renamed_from` names what cannot have been the name.
pub static RULE: Rule = Rule {
    code: "SQ0142",
    name: "bad-rename",
    severity: Severity::Error,
    explanation: "\
`renamed_from` says what an entity or a field was called in the last sealed migration, so that its table or column is renamed and
keeps its rows. What is still there under that name cannot have become something else. Once the migration is sealed the key has
done its work and may go.

Wrong:
```yaml
entity: Order
fields:
  total: integer!
  sum: {type: integer, renamed_from: total}
```

Right:
```yaml
entity: Order
fields:
  sum: {type: integer, renamed_from: total}
```
",
};

/// `old` is still there, at `first`.
#[must_use]
pub fn still_there(span: Span, first: Span, what: &str, old: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the {what} `{old}` is still there: nothing can be renamed from it"))
        .related(first, "here")
        .help("take the old one away, or leave `renamed_from` out")
}

/// Two say that they were `old`.
#[must_use]
pub fn twice(span: Span, first: Span, what: &str, old: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("two {what} were `{old}` before"))
        .related(first, "the other one")
        .help("only one of them can have its rows")
}
