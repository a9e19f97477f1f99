//! SQ0155: a type that a table's internal key cannot have.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A type that a table's internal key cannot have.
pub static RULE: Rule = Rule {
    code: "SQ0155",
    name: "key-type",
    severity: Severity::Error,
    explanation: "\
A table's internal key (`pk_order`) is for joins; the row's `id` is a UUID in any case. The key is `integer`, which takes half of the room
in each reference, or `bigint`, where more than 2,147,483,647 rows will ever be inserted. To change it later, PostgreSQL writes the
table anew, with all that refer to it.

Wrong:
```yaml
entity: Event
key: uuid
```

Right:
```yaml
entity: Event
key: bigint
```
",
};

/// `found` is neither.
#[must_use]
pub fn error(span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`key` cannot be `{}`", found.escape_debug()))
        .help("it is `integer` or `bigint`; the row's `id` is a UUID in any case")
}
