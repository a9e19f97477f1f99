//! SQ0211: `foreach` over something that is no list.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// `foreach` over something that is no list.
pub static RULE: Rule = Rule {
    code: "SQ0211",
    name: "not-a-list",
    severity: Severity::Error,
    explanation: "\
`foreach` goes through rows (`in find Order WHERE …`), through a list, or through JSON that holds a list.

Wrong:
```yaml
- foreach: letter in $input.name
  do: []
```

Right:
```yaml
- foreach: tag in $input.tags # list(text)
  do: []
```
",
};

/// The expression is of another type.
#[must_use]
pub fn error(span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("a loop goes through a list, found {found}"))
        .help("for rows write `x in find Entity WHERE …`")
}
