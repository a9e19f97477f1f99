//! SQ0010: two YAML readers read the file differently.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Two YAML readers read the file differently.
pub static RULE: Rule = Rule {
    code: "SQ0010",
    name: "readers-disagree",
    severity: Severity::Error,
    explanation: "\
Every file is read by two independent YAML readers. Where they disagree, your editor, your linter or the next tool in the chain may
read something else than SpecQL does. Quote the value, or write it in block form.

Wrong:
```yaml
a value that depends on the reader
```

Right:
```yaml
the same value in quotes
```
",
};

/// `how` says in what they differ.
#[must_use]
pub fn readers_disagree(span: Span, how: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("two YAML readers do not agree on this: {how}"))
        .help("quote the value, or write it in a plainer form")
}
