//! SQ0154: tenants that are the rows of the wrong entity.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Tenants that are the rows of the wrong entity.
pub static RULE: Rule = Rule {
    code: "SQ0154",
    name: "tenants-entity",
    severity: Severity::Error,
    explanation: "\
`tenants:` of a multi-tenant domain names the entity whose rows are the tenants: the `id` of such a row is the `tenant_id` of what
belongs to it. Its own schema is not multi-tenant, for nobody could list rows that each tenant alone may see.

Wrong:
```yaml
domains:
  crm: {multi_tenant: true}
  sales: {multi_tenant: true, tenants: Customer}
```

Right:
```yaml
domains:
  crm: {}
  sales: {multi_tenant: true, tenants: Customer}
```
",
};

/// The schema is not multi-tenant.
#[must_use]
pub fn nobodys(span: Span, schema: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the schema `{schema}` has no tenants"))
        .help(format!("say `multi_tenant: true` of `{schema}` too, or leave `tenants` out"))
}

/// The entity's own rows belong to tenants.
#[must_use]
pub fn of_tenants(span: Span, entity: &str, schema: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("rows of `{entity}` belong to tenants and cannot be the tenants"))
        .help(format!("name an entity of a schema that is not multi-tenant; `{schema}` is"))
}
