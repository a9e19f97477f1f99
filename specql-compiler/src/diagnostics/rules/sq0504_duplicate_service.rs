//! SQ0504: two services, or two operations of a service, with one name.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Two services, or two operations of a service, with one name.
pub static RULE: Rule = Rule {
    code: "SQ0504",
    name: "duplicate-service",
    severity: Severity::Error,
    explanation: "\
A name stands for one service in all registry files of a project, and for one operation in its service. (A project's service may have
the name of a built-in one: it replaces it.)

Wrong:
```yaml
services:
  - name: crm
  - name: crm
```

Right:
```yaml
services:
  - name: crm
  - name: crm_backup
```
",
};

/// `what` is `service` or `operation`.
#[must_use]
pub fn duplicate_service(span: Span, first: Span, what: &str, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the {what} `{name}` is declared twice"))
        .related(first, "first here")
        .help("rename one of them, or remove it")
}
