//! SQ0151: two domains of one name.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Two domains of one name.
pub static RULE: Rule = Rule {
    code: "SQ0151",
    name: "domain-collision",
    severity: Severity::Error,
    explanation: "\
The names and aliases of domains stand for schemas, each for one.

Wrong:
```yaml
domains:
  sales: {aliases: [crm]}
  crm: {multi_tenant: true}
```

Right:
```yaml
domains:
  sales: {aliases: [sls]}
  crm: {multi_tenant: true}
```
",
};

/// `name` is a domain, or an alias of one, already.
#[must_use]
pub fn error(span: Span, first: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` stands for a domain already"))
        .related(first, "here")
        .help("give one of them another name")
}
