//! SQ0406: an output field that the operation does not have.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, suggest},
    source::Span,
};

/// An output field that the operation does not have.
pub static RULE: Rule = Rule {
    code: "SQ0406",
    name: "unknown-output",
    severity: Severity::Error,
    explanation: "\
`$output` holds the fields of the operation's `output_schema`.

Wrong:
```yaml
on_success:
  - update: Order SET charge_id = $output.charge_id
```

Right:
```yaml
on_success:
  - update: Order SET charge_id = $output.id
```
",
};

/// `what` (an operation, or an object in its output) has no `name`.
#[must_use]
pub fn error<'a>(span: Span, what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    let fields = known.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    let diagnostic = Diagnostic::new(&RULE, span, format!("the output of `{what}` has no `{name}`"));
    match (suggest(name, known), fields.is_empty()) {
        (_, true) => diagnostic.help("it has no declared fields; add them to `output_schema`"),
        (Some(near), false) => diagnostic.help(format!("did you mean `{near}`? it has {fields}")),
        (None, false) => diagnostic.help(format!("it has {fields}")),
    }
}
