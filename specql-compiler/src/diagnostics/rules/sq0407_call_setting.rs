//! SQ0407: a setting of a call that is out of range, unreadable or out of place.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A setting of a call that is out of range, unreadable or out of place.
pub static RULE: Rule = Rule {
    code: "SQ0407",
    name: "call-setting",
    severity: Severity::Error,
    explanation: "\
`timeout` is in seconds, `max_retries` counts all attempts, `priority` orders jobs (higher first), `delay` and `give_up_after` are
numbers with their unit, `unique` is one of four words. `async: false` makes the caller of the action wait for the job, so it stands in the action's own
steps, not in a callback's.

Wrong:
```yaml
delay: soon
```

Right:
```yaml
delay: 10 minutes
```
",
};

/// `key` is not a number from `least` to `most`.
#[must_use]
pub fn range(span: Span, key: &str, found: i64, least: i64, most: i64) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{key}` is {found}")).help(format!("it is a number from {least} to {most}"))
}

/// `unique` is not one of its words.
#[must_use]
pub fn unique(span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`unique` cannot be `{found}`"))
        .help("it is `in_flight` (the same call is one job while it is unfinished), `latest` (and a newer call replaces one that waits), \
             `once` (nor after it completed) or `never`")
}

/// A duration that cannot be read.
#[must_use]
pub fn duration(span: Span, found: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("`{}` is not a length of time", found.escape_debug()));
    if found.trim_start().to_ascii_lowercase().starts_with("interval") {
        return diagnostic.help("it stands there by itself, without `INTERVAL` and quotes, such as `10 minutes`");
    }
    diagnostic.help("write a whole number and a unit (seconds, minutes, hours, days or weeks), such as `10 minutes`")
}

/// A time after which a call is given up that is none, or longer than a year.
#[must_use]
pub fn give_up_after(span: Span, found: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`give_up_after` is `{}`", found.escape_debug()))
        .help("it is from a second to a year")
}

/// `async: false` in a callback, whose job nobody waits for.
#[must_use]
pub fn awaited_callback(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "a call in a callback cannot be waited for")
        .help("leave `async: false` out: whoever called the action has its answer before this call is queued")
}
