//! SQ0606: the migrations are behind the entities.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// The migrations are behind the entities.
pub static RULE: Rule = Rule {
    code: "SQ0606",
    name: "outdated-migration",
    severity: Severity::Error,
    explanation: "\
The entities say something that no migration says yet. An ordinary build writes the migration; in CI, with `SPECQL_LOCKED=1`, in
release and in packaged builds nothing is written, so that what is tested is what was committed.

Wrong:
```sh
CI=1 cargo build
```

Right:
```sh
cargo build
cargo specql migrate seal
CI=1 cargo build
```
",
};

/// A build would write or change `path`, and `why` forbids it.
#[must_use]
pub fn outdated_migration(span: Span, path: &str, why: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("migration `{path}` is not up to date, and {why}")).help(
        "run `cargo build` without `CI` and `SPECQL_LOCKED`, then `cargo specql migrate seal`, and commit the result",
    )
}
