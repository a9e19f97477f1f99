//! SQ0021: a setting that nobody knows.

use crate::diagnostics::help_for;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A setting that nobody knows.
pub static RULE: Rule = Rule {
    code: "SQ0021",
    name: "unknown-setting",
    severity: Severity::Error,
    explanation: "\
Settings that are not understood stop the build: a misspelt one would leave its default in force.

Wrong:
```toml
entites = \"model\"
```

Right:
```toml
entities = \"model\"
```
",
};

/// `known` are the settings there are.
#[must_use]
pub fn unknown_setting<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("unknown setting `{name}`")).maybe_help(help_for(name, known))
}
