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

The branch that was merged or deployed first keeps its lock and its migrations as they are. The other branch's migration is removed,
and the next build writes its change again, behind the first one's. Never put the two locks together line by line.

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
git checkout --ours -- migrations/specql.lock
git rm -f migrations/0002_order_add_note.sql
cargo build
```
",
};

/// What is wrong with the lock, at the place in it, and the way out where it is another than to restore it.
#[must_use]
pub fn unreadable_lock(span: Span, reason: &str, help: Option<&str>) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the lock of the migrations cannot be read: {reason}"))
        .help(help.unwrap_or("take it from version control as it was last committed; no hand writes it"))
}

/// Two branches both added migrations: their names, and the files that each of them added, to the folder at `path`.
#[must_use]
pub fn conflicting_lock(span: Span, path: &str, sides: [(String, Vec<String>); 2]) -> Diagnostic {
    let [(ours, our_files), (theirs, their_files)] = &sides;
    let listed = |branch: &str, files: &[String]| {
        let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
        if files.is_empty() { format!("that of `{branch}`") } else { format!("{} of `{branch}`", files.join(", ")) }
    };
    let removal = |files: &[String]| -> String {
        let files: String = files.iter().map(|file| format!(" {path}/{file}")).collect();
        if files.is_empty() { String::new() } else { format!(" && git rm -f{files}") }
    };
    let first = |side: &str, name: &str, files: &[String]| {
        format!("if `{name}` was first: `git checkout --{side} -- {path}/specql.lock{}`", removal(files))
    };
    let message =
        format!("two branches each added a migration: {} and {}", listed(ours, our_files), listed(theirs, their_files));
    Diagnostic::new(&RULE, span, message).label("a merge left both here").help(format!(
        "the one that was merged or deployed first stays, and the other's change is written again behind it; {}; {}; then `cargo build`",
        first("ours", ours, their_files),
        first("theirs", theirs, our_files)
    ))
}
