//! SQ0301: text that is no expression.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Text that is no expression.
pub static RULE: Rule = Rule {
    code: "SQ0301",
    name: "expression-syntax",
    severity: Severity::Error,
    explanation: "\
Expressions are a part of SQL's: constants, names, operators, `CASE` and a list of functions. A YAML string in `values`,
`set`, `where`, `validate` or a call's `input` is always an expression; a text stands in single quotes inside it.

Wrong:
```yaml
source: \"tok visa\"
```

Right:
```yaml
source: \"'tok visa'\"
```
",
};

/// What is wrong.
#[must_use]
pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(&RULE, span, message)
}
