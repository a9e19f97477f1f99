//! SQ0234: a schedule whose action works for one tenant, and no tenants to run it for.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A schedule whose action works for one tenant, and no tenants to run it for.
pub static RULE: Rule = Rule {
    code: "SQ0234",
    name: "scheduled-tenant",
    severity: Severity::Error,
    explanation: "\
An action of a multi-tenant schema, or one that works on rows of such a schema, works in the name of one tenant. A schedule has none.
With `for_each_tenant: true` it calls the action for each tenant: each row of the entity that the domain registry names under `tenants`.

With `sales: {multi_tenant: true, tenants: Customer}` in the domain registry,

Wrong:
```yaml
entity: Cart
schema: sales
actions: [{name: close_carts, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: close_carts}
```

Right:
```yaml
entity: Cart
schema: sales
actions: [{name: close_carts, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: close_carts, for_each_tenant: true}
```
",
};

/// The action belongs to the multi-tenant schema `schema`, or works on rows of such a one.
#[must_use]
pub fn error(span: Span, action: &str, schema: Option<&str>) -> Diagnostic {
    let why = match schema {
        Some(schema) => format!("the schema `{schema}` is multi-tenant"),
        None => format!("`{action}`, or an action or a callback that it calls, works on rows of a multi-tenant schema"),
    };
    Diagnostic::new(&RULE, span, format!("`{action}` works for one tenant, and a schedule has none"))
        .help(format!("{why}; `for_each_tenant: true` runs it for each of them"))
}

/// `for_each_tenant: true`, and nothing says which tenants there are; `schema` is the action's, where that is multi-tenant.
#[must_use]
pub fn unknown_tenants(span: Span, schema: Option<&str>) -> Diagnostic {
    let help = match schema {
        Some(schema) => format!(
            "name the entity whose rows are the tenants in the domain registry: `{schema}: {{multi_tenant: true, tenants: …}}`"
        ),
        None => "name one entity whose rows are the tenants in the domain registry, under `tenants` of the multi-tenant domains".to_owned(),
    };
    Diagnostic::new(&RULE, span, "nothing says which tenants there are").help(help)
}

/// `for_each_tenant: true` for an action that works for no tenant.
#[must_use]
pub fn needless(span: Span, action: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{action}` works for no tenant: each call would do the same"))
        .help("leave `for_each_tenant` out")
}
