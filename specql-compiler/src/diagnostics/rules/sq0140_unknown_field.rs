//! SQ0140: a field that the entity does not have.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// A field that the entity does not have.
pub static RULE: Rule = Rule {
    code: "SQ0140",
    name: "unknown-field",
    severity: Severity::Error,
    explanation: "\
A step sets, and an expression reads, the declared fields of an entity.

Wrong:
```yaml
- update: Order SET payment_state = 'paid'
```

Right:
```yaml
- update: Order SET payment_status = 'paid'
```
",
};

/// `entity` has no field `name`.
#[must_use]
pub fn error<'a>(span: Span, entity: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("`{entity}` has no field `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// `name` is a column that SpecQL fills.
#[must_use]
pub fn system(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` cannot be set")).help("SpecQL fills this column itself")
}

/// `name` is set twice by one statement.
#[must_use]
pub fn twice(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` is set twice")).help("keep one of them")
}
