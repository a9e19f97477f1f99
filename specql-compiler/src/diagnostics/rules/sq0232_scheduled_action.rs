//! SQ0232: a schedule of an action that does not exist.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// A schedule of an action that does not exist.
pub static RULE: Rule = Rule {
    code: "SQ0232",
    name: "scheduled-action",
    severity: Severity::Error,
    explanation: "\
`action` names an action of the entity under which the schedule is written, or any action of the project by its wrapper.

Wrong:
```yaml
entity: Cart
actions: [{name: tidy_up, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: tidyup}
```

Right:
```yaml
entity: Cart
actions: [{name: tidy_up, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: tidy_up}
```
",
};

/// There is no action `name`.
#[must_use]
pub fn error<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let mut names: Vec<&str> = Vec::new();
    for known in known {
        if !names.contains(&known) {
            names.push(known);
        }
    }
    Diagnostic::new(&RULE, span, format!("there is no action `{}`", name.escape_debug()))
        .maybe_help(help_for(name, names))
}
