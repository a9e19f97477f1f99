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
lock does not know was written by hand, renamed, or left by a merge. SQL of your own begins with `specql migrate new`, which also takes
a file with the next number that is there already.

Wrong:
```text
migrations/0001_init.sql
migrations/0002_by_hand.sql
```

Right:
```text
migrations/0001_init.sql
migrations/0002_by_hand.sql      (after `specql migrate new by_hand`)
```
",
};

/// The file is not in the lock, and specql did not write it. With `adopted_as`, `migrate new` of that name takes it as it is.
#[must_use]
pub fn unknown_migration(span: Span, path: &str, adopted_as: Option<&str>) -> Diagnostic {
    let own = match adopted_as {
        Some(name) => {
            format!("if it is SQL of your own, `cargo specql migrate new {name}` makes it a step of the history")
        }
        None => "if it is SQL of your own, move its text into the file that `cargo specql migrate new <name>` writes"
            .to_owned(),
    };
    Diagnostic::new(&RULE, span, format!("`{path}` is not in the lock of the migrations"))
        .help(format!("{own}; after a merge, restore `specql.lock` together with its files"))
}

/// The file has the number of `known`, which is the one that the lock holds.
#[must_use]
pub fn duplicate_migration(span: Span, path: &str, known: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{path}` has the number of `{known}`, which is the one in the lock")).help(
        "after a merge: remove it and build, and what it did is written again behind the others; SQL of your own goes into the file that `cargo specql migrate new <name>` writes",
    )
}

/// The file is one that a build wrote, and there is no lock.
#[must_use]
pub fn lost_lock(span: Span, path: &str, folder: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{path}` is there, and the lock of the migrations is not")).help(format!(
        "restore `{folder}/specql.lock` from version control, and see that no rule such as `*.lock` keeps it out; if no database has these migrations, remove them and build"
    ))
}
