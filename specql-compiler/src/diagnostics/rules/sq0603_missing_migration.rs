//! SQ0603: a sealed migration is not there.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A sealed migration is not there.
pub static RULE: Rule = Rule {
    code: "SQ0603",
    name: "missing-migration",
    severity: Severity::Error,
    explanation: "\
The lock names a sealed migration that is not in the folder. A fresh database would lack that step.

Wrong:
```sh
rm migrations/0001_init.sql
```

Right:
```sh
git checkout -- migrations/0001_init.sql
```
",
};

/// The lock's line names a file that is not there.
#[must_use]
pub fn missing_migration(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("sealed migration `{path}` is missing"))
        .help(format!("restore it (`git checkout -- {path}`); sealed migrations may have run and are never removed"))
}
