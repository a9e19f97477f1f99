//! SQ0231: a time zone that does not exist.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, suggest},
    source::Span,
};

/// A time zone that does not exist.
pub static RULE: Rule = Rule {
    code: "SQ0231",
    name: "time-zone",
    severity: Severity::Error,
    explanation: "\
`timezone` is a name of the IANA database, as it is written there. Without it a schedule goes by UTC. Offsets and
abbreviations are no time zones: they do not say when clocks are put forward.

Wrong:
```yaml
entity: Cart
actions: [{name: tidy_up, steps: [{validate: now() IS NOT NULL}]}]
schedules:
  - {name: nightly, cron: '0 3 * * *', timezone: CEST, action: tidy_up}
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

/// There is no time zone `name`.
#[must_use]
pub fn error(span: Span, name: &str) -> Diagnostic {
    let near = suggest(name, specql_registry::timing::zones());
    let help = near.map_or_else(
        || "write a name of the IANA database, such as `Europe/Berlin` or `UTC`".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Diagnostic::new(&RULE, span, format!("unknown time zone `{}`", name.escape_debug())).help(help)
}
