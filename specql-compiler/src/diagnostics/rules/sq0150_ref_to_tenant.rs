//! SQ0150: a row that belongs to nobody points to one that belongs to a tenant.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A row that belongs to nobody points to one that belongs to a tenant.
pub static RULE: Rule = Rule {
    code: "SQ0150",
    name: "ref-to-tenant",
    severity: Severity::Error,
    explanation: "\
The rows of a schema that is not multi-tenant are everybody's. One that pointed to a tenant's row would show it to the
others, or show each of them something else. The other direction is fine: a tenant's row may point to what all share.

Wrong:
```yaml
entity: Product
schema: catalog
fields: {last_order: ref(sales.Order)}
```

Right:
```yaml
entity: Order
schema: sales
fields: {product: ref(catalog.Product)}
```
",
};

/// `entity` of a plain schema has a field that points to `target` of a multi-tenant one.
#[must_use]
pub fn error(span: Span, entity: (&str, &str), target: (&str, &str)) -> Diagnostic {
    let message =
        format!("rows of `{}` belong to no tenant and cannot point to `{}`, whose rows do", entity.0, target.0);
    Diagnostic::new(&RULE, span, message).help(format!(
        "make the schema `{}` multi-tenant too, or point from `{}` to `{}`",
        entity.1, target.0, entity.0
    ))
}
