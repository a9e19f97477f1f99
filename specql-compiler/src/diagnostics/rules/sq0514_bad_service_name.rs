//! SQ0514: a name in the registry that is no name.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A name in the registry that is no name.
pub static RULE: Rule = Rule {
    code: "SQ0514",
    name: "bad-service-name",
    severity: Severity::Error,
    explanation: "\
Services and operations are named in lower case, with digits and `_`; inputs and outputs may have capitals too, as many APIs do. The names
become modules, types and fields in Rust, so two that differ by spelling alone cannot stand side by side.

Wrong:
```yaml
- name: My Service
```

Right:
```yaml
- name: my_service
```
",
};

/// `what` is `service`, `operation`, …
#[must_use]
pub fn bad_service_name(span: Span, what: &str, name: &str) -> Diagnostic {
    let word: String = name.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let word = heck::ToSnakeCase::to_snake_case(word.as_str());
    let starts_well = word.starts_with(|c: char| c.is_ascii_lowercase());
    let help = starts_well.then(|| format!("for example `{word}`"));
    Diagnostic::new(&RULE, span, format!("`{name}` is no name for {what}")).maybe_help(help)
}

/// Two names that become the same name in Rust.
#[must_use]
pub fn same_name(span: Span, first: Span, name: &str, other: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` and `{other}` are the same name in generated code"))
        .related(first, "first here")
        .help("rename one of them")
}
