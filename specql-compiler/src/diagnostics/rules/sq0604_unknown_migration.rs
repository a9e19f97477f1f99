//! SQ0604: a migration that the lock does not know.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A migration that the lock does not know.
pub static RULE: Rule = Rule {
    code: "SQ0604",
    name: "unknown-migration",
    severity: Severity::Error,
    explanation: "\
Every file in the migrations folder is a step of one history, numbered in order, and the lock holds all of them. A file that the
lock does not know was written by hand, renamed, or left by a merge.

Wrong:
```text
migrations/0001_init.sql
migrations/0002_by_hand.sql
```

Right:
```text
migrations/0001_init.sql
more-migrations/0002_by_hand.sql
```
",
};

/// The file is not in the lock, and specql did not write it.
#[must_use]
pub fn unknown_migration(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{path}` is not in the lock of the migrations")).help(
        "move a migration of your own to another folder; after a merge, restore `specql.lock` together with its files",
    )
}

/// The file has the number of `known`, which is the one that the lock holds.
#[must_use]
pub fn duplicate_migration(span: Span, path: &str, known: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{path}` has the number of `{known}`, which is the one in the lock")).help(
        "after a merge: remove it and build, and what it did is written again behind the others; a migration of your own belongs in another folder",
    )
}
