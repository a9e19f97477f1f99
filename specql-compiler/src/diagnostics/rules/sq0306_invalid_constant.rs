//! SQ0306: a constant that its type does not allow.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for, suggest},
    source::Span,
};

/// A constant that its type does not allow.
pub static RULE: Rule = Rule {
    code: "SQ0306",
    name: "invalid-constant",
    severity: Severity::Error,
    explanation: "\
Constants are checked while compiling: a text that stands for an enum must be one of its members, for an e-mail address
must look like one; a number must fit its type.

Wrong:
```yaml
- update: Order SET payment_status = 'payed'
```

Right:
```yaml
- update: Order SET payment_status = 'paid'
```
",
};

/// `value` is no member of the enum.
#[must_use]
pub fn member(span: Span, value: &str, members: &[String]) -> Diagnostic {
    let diagnostic =
        Diagnostic::new(&RULE, span, format!("`{}` is not one of the enum's values", value.escape_debug()));
    let names = || members.iter().map(String::as_str);
    let diagnostic = diagnostic.maybe_help(help_for(value, names()));
    // The help lists them all, or names the one that was meant; then all stand at the value.
    if suggest(value, names()).is_some() { diagnostic.label(format!("one of {}", list(members))) } else { diagnostic }
}

/// `value` is not a valid `ty`.
#[must_use]
pub fn error(span: Span, value: &str, ty: &str, help: impl Into<String>) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{}` is not a valid {ty}", value.escape_debug())).help(help)
}

/// `text` behind `INTERVAL` is no length of time.
#[must_use]
pub fn interval(span: Span, text: &str) -> Diagnostic {
    let help = if names_months(text) {
        "months and years differ in length: write `months(1)` or `years(1)`"
    } else {
        "write whole numbers with units (seconds, minutes, hours, days or weeks), such as `INTERVAL '10 minutes'`"
    };
    Diagnostic::new(&RULE, span, format!("`{}` is not a length of time", text.escape_debug())).help(help)
}

fn names_months(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| ["month", "months", "year", "years"].contains(&word.to_ascii_lowercase().as_str()))
}

fn list(members: &[String]) -> String {
    members.iter().map(|member| format!("`{member}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_for_months_and_years_names_their_functions() {
        let help = |text: &str| interval(Span::default(), text).help.expect("each has a help");
        for text in ["1 month", "3 months", "1 YEAR 2 days", "2years"] {
            assert!(help(text).contains("`months(1)` or `years(1)`"), "{text}: {}", help(text));
        }
        for text in ["soon", "1 day 2 hours extra", ""] {
            assert!(help(text).contains("such as `INTERVAL '10 minutes'`"), "{text}: {}", help(text));
        }
    }
}
