//! SQ0515: a fallback that cannot take over.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// A fallback that cannot take over.
pub static RULE: Rule = Rule {
    code: "SQ0515",
    name: "bad-fallback",
    severity: Severity::Error,
    explanation: "\
A `fallback` is another service of the registry, which carries out a call that could not be started. It has all operations
of the service, with the same `input_schema` and `output_schema`, and its own fallbacks do not lead back.

Wrong:
```yaml
services:
  - name: mail
    fallback: mial_backup
    operations: [{name: send, input_schema: {to: email!}}]
  - name: mail_backup
    operations: [{name: send, input_schema: {to: email!}}]
```

Right:
```yaml
services:
  - name: mail
    fallback: mail_backup
    operations: [{name: send, input_schema: {to: email!}}]
  - name: mail_backup
    operations: [{name: send, input_schema: {to: email!}}]
```
",
};

/// There is no service of that name.
#[must_use]
pub fn unknown_fallback<'a>(span: Span, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("there is no service `{name}` that could take over"))
        .maybe_help(help_for(name, known))
}

/// It cannot do what the service does.
#[must_use]
pub fn bad_fallback(span: Span, why: String) -> Diagnostic {
    Diagnostic::new(&RULE, span, why)
}
