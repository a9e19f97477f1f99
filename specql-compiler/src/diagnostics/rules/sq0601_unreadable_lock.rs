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

/// A migration that a branch has added.
#[derive(Debug)]
pub struct Added {
    /// Its file.
    pub file: String,
    /// Its name, where somebody wrote it by hand: no build writes it again.
    pub by_hand: Option<String>,
}

/// Two branches both added migrations: their names, and what each of them added, to the folder at `path`.
#[must_use]
pub fn conflicting_lock(span: Span, path: &str, sides: [(String, Vec<Added>); 2]) -> Diagnostic {
    let [(ours, our_files), (theirs, their_files)] = &sides;
    let listed = |branch: &str, added: &[Added]| {
        let files: Vec<String> = added.iter().map(|added| format!("`{}`", added.file)).collect();
        if files.is_empty() { format!("that of `{branch}`") } else { format!("{} of `{branch}`", files.join(", ")) }
    };
    let removal = |added: &[Added]| -> String {
        let (mut commands, mut removed) = (String::new(), String::new());
        for Added { file, by_hand } in added {
            match by_hand {
                // Under such a name it is no migration, to no tool.
                Some(name) => commands.push_str(&format!(" && git mv -f {path}/{file} {path}/{name}.txt")),
                None => removed.push_str(&format!(" {path}/{file}")),
            }
        }
        if !removed.is_empty() {
            commands.push_str(&format!(" && git rm -f{removed}"));
        }
        commands
    };
    let first = |side: &str, name: &str, added: &[Added]| {
        format!("if `{name}` was first: `git checkout --{side} -- {path}/specql.lock{}`", removal(added))
    };
    let message =
        format!("two branches each added a migration: {} and {}", listed(ours, our_files), listed(theirs, their_files));
    let names = sides.iter().flat_map(|(_, added)| added).filter_map(|added| added.by_hand.as_deref());
    let by_hand: String = names
        .map(|name| format!("; SQL written by hand is not written again: `cargo specql migrate new {name}`, and put the text of `{path}/{name}.txt` there, if it was moved"))
        .collect();
    Diagnostic::new(&RULE, span, message).label("a merge left both here").help(format!(
        "the one that was merged or deployed first stays, and the other's change is written again behind it; {}; {}; then `cargo build`{by_hand}",
        first("ours", ours, their_files),
        first("theirs", theirs, our_files)
    ))
}
