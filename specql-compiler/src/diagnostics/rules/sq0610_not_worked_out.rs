//! SQ0610: a change for which there is no migration.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A change for which there is no migration.
pub static RULE: Rule = Rule {
    code: "SQ0610",
    name: "not-worked-out",
    severity: Severity::Error,
    explanation: "\
Nearly every change of a model has a migration. A few have none: a table that is partitioned differently, an identity of another kind, a
function that a table's constraint is built on and that takes other parameters. They come with another version of specql, not with a
change of the entities.

Wrong:
```sh
cargo update -p specql-compiler --precise 0.1.0    # older than the one that wrote the last migration
```

Right:
```sh
cargo update -p specql-compiler
```
",
};

/// What cannot be done, and the way out.
#[must_use]
pub fn not_worked_out(span: Span, message: &str, help: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, message).help(help)
}
