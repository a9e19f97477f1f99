//! SQ0201: a step that nobody knows.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::yaml::{Entry, Node},
};

/// A step that nobody knows.
pub static RULE: Rule = Rule {
    code: "SQ0201",
    name: "unknown-step",
    severity: Severity::Error,
    explanation: "\
A step is a mapping with one of the step names, and the keys that belong to it.

Wrong:
```yaml
- updaet: Order SET total = 0
```

Right:
```yaml
- update: Order SET total = 0
```
",
};

/// None of the keys is the name of a step.
#[must_use]
pub fn error(node: &Node, first: Option<&Entry>, known: &[&str]) -> Diagnostic {
    let Some(first) = first else {
        return Diagnostic::new(&RULE, node.span, "an empty step").help("remove it");
    };
    let diagnostic = Diagnostic::new(&RULE, first.key_span, format!("unknown step `{}`", first.key));
    match help_for(&first.key, known.iter().copied()) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// `second` begins another step in the same mapping.
#[must_use]
pub fn two_in_one(second: &Entry, first: &str, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, second.key_span, format!("`{first}` and `{name}` in one step"))
        .help(format!("begin a new step: `- {name}: …`"))
}
