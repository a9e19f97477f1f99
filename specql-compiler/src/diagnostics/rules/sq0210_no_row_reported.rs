//! SQ0210: `as:` on a call that reports no row.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// `as:` on a call that reports no row.
pub static RULE: Rule = Rule {
    code: "SQ0210",
    name: "no-row-reported",
    severity: Severity::Error,
    explanation: "\
The name given with `as:` stands for the row that the called action reports. An action that inserts none and works on none
reports none, and one that returns rows of several entities has no single kind of them.

Wrong:
```yaml
actions:
  - name: tell
    steps:
      - notify: clerk(orders, \"hello\")
  - name: open
    steps:
      - call: tell()
        as: told
```

Right:
```yaml
actions:
  - name: tell
    steps:
      - notify: clerk(orders, \"hello\")
  - name: open
    steps:
      - call: tell()
```
",
};

/// The action reports no row, or rows of several entities.
#[must_use]
pub fn error(span: Span, callee: &str, several: bool) -> Diagnostic {
    let what = if several { "reports rows of several entities" } else { "reports no row" };
    Diagnostic::new(&RULE, span, format!("`{callee}` {what}, so there is nothing that `as:` could name"))
        .help("leave `as:` out, and read what you need with `find:`")
}
