//! SQ0506: a template names a field that is not there.

use crate::diagnostics::help_for;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A template names a field that is not there.
pub static RULE: Rule = Rule {
    code: "SQ0506",
    name: "unknown-template-field",
    severity: Severity::Error,
    explanation: "\
A `{slot}` in a path, a query, a header or a body is filled from the operation's input, and an `output` fills a field of the
operation's output. Both must be declared in its schemas.

Wrong:
```yaml
input_schema: {customer: text!}
path: /v1/customers/{custmer}
```

Right:
```yaml
input_schema: {customer: text!}
path: /v1/customers/{customer}
```
",
};

/// `schema` (`input_schema` or `output_schema`) does not have `name`.
#[must_use]
pub fn unknown_template_field<'a>(
    span: Span,
    name: &str,
    schema: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` is no field of `{schema}`")).maybe_help(help_for(name, known))
}
