//! SQ0110: a type that nobody knows.

use crate::diagnostics::help_for;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A type that nobody knows.
pub static RULE: Rule = Rule {
    code: "SQ0110",
    name: "unknown-type",
    severity: Severity::Error,
    explanation: "\
Types are the basic ones (`text`, `integer`, `bigint`, `float`, `boolean`, `timestamp`, `json`, `decimal`), the named scalars (`email`,
`money`, `currencyCode`, …), `enum(…)`, `list(…)` and, in an entity, `ref(…)`.

Wrong:
```yaml
fields:
  total: intger
```

Right:
```yaml
fields:
  total: integer
```
",
};

/// `known` are the names to choose from.
#[must_use]
pub fn unknown_type(span: Span, name: &str, known: &[&str]) -> Diagnostic {
    let help = match known {
        [only] => Some(format!("did you mean `{only}`?")),
        _ => help_for(name, known.iter().copied()),
    };
    Diagnostic::new(&RULE, span, format!("unknown type `{name}`")).maybe_help(help)
}
