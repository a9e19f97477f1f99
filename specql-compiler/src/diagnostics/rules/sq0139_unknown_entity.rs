//! SQ0139: an entity that does not exist.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// An entity that does not exist.
pub static RULE: Rule = Rule {
    code: "SQ0139",
    name: "unknown-entity",
    severity: Severity::Error,
    explanation: "\
A step or a reference names an entity by its name, or by its schema and name: `ref(crm.Customer)`.

Wrong:
```yaml
customer: ref(Custommer)
```

Right:
```yaml
customer: ref(Customer)
```
",
};

/// There is no entity `name`.
#[must_use]
pub fn error<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("unknown entity `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// `name` is in another schema than the one that is named.
#[must_use]
pub fn other_schema(span: Span, name: &str, wanted: &str, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("there is no entity `{name}` in the schema `{wanted}`"))
        .help(format!("it is `{found}.{name}`"))
}
