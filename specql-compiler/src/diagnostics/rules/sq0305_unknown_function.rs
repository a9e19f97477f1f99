//! SQ0305: a function that expressions do not have.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// A function that expressions do not have.
pub static RULE: Rule = Rule {
    code: "SQ0305",
    name: "unknown-function",
    severity: Severity::Error,
    explanation: "\
Expressions call the functions of a short list, none of which reads files, waits or reaches another server, and those that
an entity declares under `functions:`.

Wrong:
```yaml
- validate: len(name) > 2
```

Right:
```yaml
- validate: length(name) > 2
```
",
};

/// There is no function `name`.
#[must_use]
pub fn error<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("unknown function `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The arguments do not fit.
#[must_use]
pub fn arguments(span: Span, name: &str, usage: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("wrong number of arguments for `{name}`")).help(format!("it is `{usage}`"))
}

/// Several entities declare a function `name`, and none of them is the action's own.
#[must_use]
pub fn ambiguous(span: Span, name: &str, schemas: &[&str]) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("there are several functions `{name}`, in {}", schemas.join(", ")))
        .help("declare the one that is meant under `functions:` of this entity, with its `schema:`")
}
