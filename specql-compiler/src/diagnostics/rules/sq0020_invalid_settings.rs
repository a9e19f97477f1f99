//! SQ0020: `specql.toml` or `sqlx.toml` cannot be read.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// `specql.toml` or `sqlx.toml` cannot be read.
pub static RULE: Rule = Rule {
    code: "SQ0020",
    name: "invalid-settings",
    severity: Severity::Error,
    explanation: "\
The settings of a project are TOML: `entities`, `registry` and `migrations` name folders inside the project, `use` is a list of services.
Of `sqlx.toml`, which is sqlx's own, only `[migrate]` is read: it says in which table the migrations of a folder are recorded.

Wrong:
```toml
entities = [1]
```

Right:
```toml
entities = \"entities\"
```
",
};

/// The file is not TOML.
#[must_use]
pub fn invalid_toml(span: Span, info: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("invalid TOML: {info}"))
}

/// A setting has a value that it cannot have.
#[must_use]
pub fn bad_setting(span: Span, what: String) -> Diagnostic {
    Diagnostic::new(&RULE, span, what)
}
