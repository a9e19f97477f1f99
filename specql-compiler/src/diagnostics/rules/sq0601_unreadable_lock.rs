//! SQ0601: the lock of the migrations cannot be read.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// The lock of the migrations cannot be read.
pub static RULE: Rule = Rule {
    code: "SQ0601",
    name: "unreadable-lock",
    severity: Severity::Error,
    explanation: "\
`migrations/specql.lock` says which migrations are sealed and what the database looks like after them. It is written by
specql alone and committed. Two branches that both add a migration conflict in it on purpose: only a person knows which one comes first.

Take the lock and the migrations of the branch that was merged first, remove the other branch's migration file, and build:
the second migration is written again on top of the first.

Wrong:
```text
<<<<<<< HEAD
  {\"version\":2,\"name\":\"order_add_discount\",...}
=======
  {\"version\":2,\"name\":\"order_add_note\",...}
>>>>>>> note
```

Right:
```sh
git checkout main -- migrations
cargo build
```
",
};

/// What is wrong with the lock, at the place in it.
#[must_use]
pub fn unreadable_lock(span: Span, reason: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the lock of the migrations cannot be read: {reason}"))
        .help("take it from version control; after a merge: keep one branch's migrations folder whole, and build again")
}
