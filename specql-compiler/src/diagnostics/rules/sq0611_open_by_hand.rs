//! SQ0611: the entities have changed, and an open migration is written by hand.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// The entities have changed, and an open migration is written by hand.
pub static RULE: Rule = Rule {
    code: "SQ0611",
    name: "open-by-hand",
    severity: Severity::Error,
    explanation: "\
`specql migrate new` begins a migration of your own SQL. As long as it is open you write it, and no build touches it. What the
entities ask for comes behind it, and a migration is only written behind one that does not change any more.

Wrong:
```sh
cargo specql migrate new reports
# and then a new field in entities/order.yaml
cargo build
```

Right:
```sh
cargo specql migrate new reports
# write migrations/0003_reports.sql
cargo specql migrate seal
# and then a new field in entities/order.yaml
cargo build
```
",
};

/// The entities ask for a change, here, and it cannot be written behind the file at `path`.
#[must_use]
pub fn open_by_hand(span: Span, path: &str) -> Diagnostic {
    let message = format!("the entities have changed, and `{path}`, which is written by hand, is open");
    Diagnostic::new(&RULE, span, message).label("its migration comes behind that file").help(
        "seal that file (`cargo specql migrate seal`), and the next build writes this change behind it; or take it back: delete the file",
    )
}
