//! SQ0152: a domain without entities.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A domain without entities.
pub static RULE: Rule = Rule {
    code: "SQ0152",
    name: "unused-domain",
    severity: Severity::Warning,
    explanation: "\
A domain lists a schema in which no entity is. Perhaps its name is misspelt: then the schema that is meant has no aliases and is
not multi-tenant.

Wrong:
```yaml
domains:
  slaes: {multi_tenant: true}
```

Right:
```yaml
domains:
  sales: {multi_tenant: true}
```
",
};

/// No entity is in `schema`; `near` is a schema that has some and is not listed.
#[must_use]
pub fn warning(span: Span, schema: &str, near: Option<&str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("no entity is in the schema `{schema}`"));
    diagnostic.maybe_help(near.map(|near| format!("did you mean `{near}`?")))
}
