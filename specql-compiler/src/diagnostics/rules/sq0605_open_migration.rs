//! SQ0605: an open migration where history must be sealed.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An open migration where history must be sealed.
pub static RULE: Rule = Rule {
    code: "SQ0605",
    name: "open-migration",
    severity: Severity::Error,
    explanation: "\
The last migration is still open: a build rewrites it as the entities change. What is released, packaged or checked in CI must be
history that does not change any more.

Wrong:
```sh
cargo build --release
```

Right:
```sh
cargo specql migrate seal
cargo build --release
```
",
};

/// The migration is up to date, but open; `why` says what forbids that.
#[must_use]
pub fn open_migration(span: Span, path: &str, why: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("migration `{path}` is open, and {why}"))
        .help("run `cargo specql migrate seal`, review the file and commit it together with `specql.lock`")
}
