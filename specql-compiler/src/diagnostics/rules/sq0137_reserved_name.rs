//! SQ0137: a name that belongs to SpecQL, PostgreSQL or Rust.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A name that belongs to SpecQL, PostgreSQL or Rust.
pub static RULE: Rule = Rule {
    code: "SQ0137",
    name: "reserved-name",
    severity: Severity::Error,
    explanation: "\
Every table has the columns `id`, `identifier`, `tenant_id`, `created_at`, `created_by`, `updated_at`, `updated_by`, `deleted_at`
and `deleted_by`, and columns that begin with `pk_` and `fk_`. The schemas `app` and `jobs` are SpecQL's, `pg_*` and
`information_schema` PostgreSQL's. Rust cannot name anything `self`, `super` or `crate`.

Wrong:
```yaml
fields: {id: uuid}
```

Right:
```yaml
fields: {external_id: uuid}
```
",
};

/// `name` may not be the name of `what`, because of `reason`.
#[must_use]
pub fn error(span: Span, what: &str, name: &str, reason: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` cannot be the name of {what}"))
        .help(format!("{reason}; choose another name"))
}
