//! SQ0235: a word that does not say what becomes of missed times.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A word that does not say what becomes of missed times.
pub static RULE: Rule = Rule {
    code: "SQ0235",
    name: "catch-up",
    severity: Severity::Error,
    explanation: "\
`catch_up` says what happens to the times at which no worker was there: `none` skips them, `one` (the default) calls the action
once for all of them, `all` calls it for each in order, for at most the last thousand.

Wrong:
```yaml
entity: Cart
actions: [{name: tidy_up, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: tidy_up, catch_up: yes}
```

Right:
```yaml
entity: Cart
actions: [{name: tidy_up, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', action: tidy_up, catch_up: all}
```
",
};

/// `found` is none of the words.
#[must_use]
pub fn error(span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`catch_up` cannot be `{}`", found.escape_debug()))
        .help("it is `none` (missed times are skipped), `one` (the action is called once for all of them) or `all`")
}
