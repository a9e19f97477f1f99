//! SQ0132: a key that nobody knows.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::yaml::Entry,
};

/// A key that nobody knows.
pub static RULE: Rule = Rule {
    code: "SQ0132",
    name: "unknown-key",
    severity: Severity::Error,
    explanation: "\
A key is read, refused, or warned about; never skipped. So a misspelt one is an error.

Wrong:
```yaml
entity: Order
feilds: {total: integer}
```

Right:
```yaml
entity: Order
fields: {total: integer}
```
",
};

/// `entry` has no meaning in `what`.
#[must_use]
pub fn error<'a>(entry: &Entry, what: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    Diagnostic::new(&RULE, entry.key_span, format!("unknown key `{}` in {what}", entry.key))
        .maybe_help(help_for(&entry.key, known))
}
