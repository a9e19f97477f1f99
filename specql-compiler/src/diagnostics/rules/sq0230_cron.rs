//! SQ0230: a cron rule that cannot be read, or is never due.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A cron rule that cannot be read, or is never due.
pub static RULE: Rule = Rule {
    code: "SQ0230",
    name: "cron",
    severity: Severity::Error,
    explanation: "\
`cron` has five fields: minute, hour, day of the month, month, day of the week; a field of seconds may stand before them.
`*`, lists, ranges and steps (`*/15`, `MON-FRI`, `1,15`) are understood, so are `L`, `#` and the names `@hourly`, `@daily`, `@weekly`, `@monthly`
and `@yearly`. With both kinds of day the rule is due on either. A rule must be due on some day.

Wrong:
```yaml
entity: Cart
actions: [{name: tidy_up, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 25 * * *', action: tidy_up}
```

Right:
```yaml
entity: Cart
actions: [{name: tidy_up, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', timezone: Europe/Berlin, action: tidy_up}
```
",
};

/// `text` is not a rule, for that reason.
#[must_use]
pub fn error(span: Span, text: &str, reason: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{}` is no cron rule: {}", text.escape_debug(), reason.escape_debug()))
        .help("write minute, hour, day, month and weekday, such as `0 3 * * *` (every day at 03:00)")
}
