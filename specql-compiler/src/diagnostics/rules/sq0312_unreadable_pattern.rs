//! SQ0312: a constant regular expression that PostgreSQL cannot read, or reads in its own way.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A constant regular expression that PostgreSQL cannot read, or reads in its own way.
pub static RULE: Rule = Rule {
    code: "SQ0312",
    name: "unreadable-pattern",
    severity: Severity::Error,
    explanation: "\
A constant on the right of `~`, `~*`, `!~` and `!~*`, and in `regexp_replace`, is a regular expression. PostgreSQL would refuse this one
only when the step runs, or would read a part of it in another way than people expect: `\\b` is no word boundary there.

Wrong:
```yaml
- validate: $input.code ~ '^[A-Z'
```

Right:
```yaml
- validate: $input.code ~ '^[A-Z]+$'
```
",
};

/// `message` says why the constant is refused.
#[must_use]
pub fn error(span: Span, message: String) -> Diagnostic {
    Diagnostic::new(&RULE, span, message)
        .help("use classes such as `[0-9]`, `\\d` and `\\w`, repetitions up to 255, groups `(…)` and `(?:…)`, `|`, `^` and `$`")
}
