//! SQ0136: a name that is no identifier.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A name that is no identifier.
pub static RULE: Rule = Rule {
    code: "SQ0136",
    name: "invalid-name",
    severity: Severity::Error,
    explanation: "\
Names of fields, actions, schemas and variables are lower-case letters, digits and `_`, beginning with a letter; names of
entities are letters and digits, beginning with a capital. Both have at most 63 bytes, the longest that PostgreSQL keeps.

Wrong:
```yaml
entity: order
fields: {customer-email: email}
```

Right:
```yaml
entity: Order
fields: {customer_email: email}
```
",
};

/// `name` is no name of a field, an action, …: `what`. `proposal` would be one.
#[must_use]
pub fn error(span: Span, what: &str, name: &str, grammar: &str, proposal: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("`{}` is not a name of {what}", name.escape_debug()));
    match proposal {
        Some(proposal) => diagnostic.label(grammar).help(format!("write `{proposal}`")),
        None => diagnostic.help(grammar),
    }
}

/// `name` is longer than PostgreSQL's identifiers.
#[must_use]
pub fn too_long(span: Span, what: &str, name: &str) -> Diagnostic {
    let message = format!("this name of {what} has {} bytes, more than the 63 that PostgreSQL keeps", name.len());
    Diagnostic::new(&RULE, span, message).help("choose a shorter one")
}
