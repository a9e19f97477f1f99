//! SQ0153: a schema that is almost a domain.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A schema that is almost a domain.
pub static RULE: Rule = Rule {
    code: "SQ0153",
    name: "unlisted-schema",
    severity: Severity::Error,
    explanation: "\
A schema that the domain registry does not list is not multi-tenant. Where its name is almost that of a domain, a slip of the pen
would show every tenant's rows to all; so such a schema must be listed, or be spelt like the domain.

Wrong:
```yaml
entity: Order
schema: sale
```

Right:
```yaml
entity: Order
schema: sales
```
",
};

/// `schema` is not listed; `near` is.
#[must_use]
pub fn error(span: Span, schema: &str, near: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the domain registry does not list the schema `{schema}`")).help(format!(
        "did you mean `{near}`? If it is another schema, list it there: `{schema}: {{multi_tenant: false}}`"
    ))
}
