//! SQ0234: a schedule of an action that works for one tenant.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A schedule of an action that works for one tenant.
pub static RULE: Rule = Rule {
    code: "SQ0234",
    name: "scheduled-tenant",
    severity: Severity::Error,
    explanation: "\
An action of a multi-tenant schema, or one that works on rows of such a schema, works in the name of one tenant. A schedule has none, so it cannot call such an action: your own program
calls it for each tenant.

With `sales` multi-tenant and `crm` not,

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
entity: Campaign
schema: crm
actions: [{name: close_campaigns, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: close_campaigns}
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
        .help(format!("{why}; call the action for each tenant from your own program"))
}
