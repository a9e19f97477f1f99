//! The error manual: `docs/errors.md`.

use std::fmt::Write as _;

use super::{Severity, rules};

/// The manual, as Markdown: a page for each rule.
#[must_use]
pub fn manual() -> String {
    let mut text = "\
<!-- @generated from `specql-compiler/src/diagnostics/rules/`; `SPECQL_BLESS=1 cargo test -p specql-compiler --test manual` rewrites it -->

# All errors and warnings

Each has a code, which never comes to mean something else. `specql explain SQ0132` prints its page.

| code | name | |
|---|---|---|
"
    .to_owned();
    for rule in rules::ALL {
        let kind = if rule.severity == Severity::Warning { "warning" } else { "error" };
        let anchor = format!("{}-{}", rule.code.to_lowercase(), rule.name);
        let _ = writeln!(text, "| [{}](#{anchor}) | {} | {kind} |", rule.code, rule.name);
    }
    for rule in rules::ALL {
        let _ = write!(text, "\n## {} {}\n\n{}", rule.code, rule.name, rule.explanation);
    }
    text
}
