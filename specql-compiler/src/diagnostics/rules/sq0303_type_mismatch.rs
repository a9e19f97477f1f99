//! SQ0303: types that cannot meet.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Types that cannot meet.
pub static RULE: Rule = Rule {
    code: "SQ0303",
    name: "type-mismatch",
    severity: Severity::Error,
    explanation: "\
Every value has a type, and both sides of an operator, an assignment or a comparison must agree. An integer becomes a
bigint, a decimal or a float by itself. Money never meets an integer silently: `minor_units(amount, currency)` converts.

Wrong:
```yaml
- update: Order SET total = 'many'
```

Right:
```yaml
- update: Order SET total = 12
```
",
};

/// `wanted` should stand here, but it is `found`.
#[must_use]
pub fn error(span: Span, wanted: &str, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("expected {wanted}, found {found}"))
}

/// The field `name` is `wanted`, the value for it is `found`.
#[must_use]
pub fn field(span: Span, name: &str, wanted: &str, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the field `{name}` is {wanted}, found {found}"))
}

/// `operator` does not join these types.
#[must_use]
pub fn operator(span: Span, operator: &str, left: &str, right: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{operator}` does not join {left} and {right}"))
}

/// A value in a text that has no one way to be written.
#[must_use]
pub fn in_text(span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("a text cannot hold {found}"))
        .help("name a single value of it, such as a text, a number, a date or a reference")
}
