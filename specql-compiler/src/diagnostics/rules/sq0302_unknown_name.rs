//! SQ0302: a name that means nothing here.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for, suggest},
    source::Span,
};

/// A name that means nothing here.
pub static RULE: Rule = Rule {
    code: "SQ0302",
    name: "unknown-name",
    severity: Severity::Error,
    explanation: "\
A bare name is a field of the current entity, `$name` a variable: a row bound with `as:`, the current row, `$input`, and in
callbacks `$job`, `$output` and `$error`. A text stands in quotes; inside an expression in single ones.

Wrong:
```yaml
source: tok_visa
```

Right:
```yaml
source: \"tok_visa\"
```
",
};

/// A bare name that is no field of `entity`.
#[must_use]
pub fn bare<'a>(span: Span, name: &str, entity: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let quoted = format!("a text stands in quotes: `\"{name}\"` as a value, `'{name}'` inside an expression");
    let help = match suggest(name, known) {
        Some(near) => format!("did you mean `{near}`? {quoted}"),
        None => quoted,
    };
    Diagnostic::new(&RULE, span, format!("unknown name `{name}`"))
        .label(format!("not a field of `{entity}`"))
        .help(help)
}

/// A variable that nothing binds.
#[must_use]
pub fn variable<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<String> = known.into_iter().map(|name| format!("${name}")).collect();
    let diagnostic = Diagnostic::new(&RULE, span, format!("unknown variable `${name}`"));
    match help_for(&format!("${name}"), known.iter().map(String::as_str)) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// A field of the entity that is written like a variable.
#[must_use]
pub fn field_as_variable(span: Span, name: &str, entity: &str, row: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("unknown variable `${name}`"))
        .help(format!("`{name}` is a field of `{entity}`, whose row is `${row}`: write `${row}.{name}`"))
}

/// A member that `what` does not have.
#[must_use]
pub fn member<'a>(span: Span, what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("{what} has no `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// A variable that has a meaning, but not here.
#[must_use]
pub fn not_here(span: Span, name: &str, reason: &str, help: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`${name}` is not available here: {reason}")).help(help)
}

/// `$input` and the like without a member, or a row where a value is wanted.
#[must_use]
pub fn incomplete(span: Span, name: &str, example: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`${name}` alone is not a value")).help(format!("name one: `{example}`"))
}
