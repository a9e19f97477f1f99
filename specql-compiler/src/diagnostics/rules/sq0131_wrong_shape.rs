//! SQ0131: a value has another shape than its key wants.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
    source::yaml::{Node, Value},
};

/// A value has another shape than its key wants.
pub static RULE: Rule = Rule {
    code: "SQ0131",
    name: "wrong-shape",
    severity: Severity::Error,
    explanation: "\
Every key wants a text, a number, a list or a mapping. A key may also stand under one name only: `async` and its alias
`async_mode` in one call contradict each other.

Wrong:
```yaml
actions: place_order
```

Right:
```yaml
actions:
  - name: place_order
```
",
};

/// `what` is not `wanted`.
#[must_use]
pub fn error(node: &Node, what: &str, wanted: &str) -> Diagnostic {
    let found = match &node.value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
    };
    let diagnostic = Diagnostic::new(&RULE, node.span, format!("{what} must be {wanted}, found {found}"));
    match &node.value {
        Value::Bool(_) | Value::Number(_) if wanted == "a text" => diagnostic.help("put it in quotes"),
        _ => diagnostic,
    }
}

/// The same thing is said by `first` and again by `second`.
#[must_use]
pub fn twice(span: Span, first: &str, second: &str) -> Diagnostic {
    let message = if first == second {
        format!("`{first}` is given twice")
    } else {
        format!("`{first}` and `{second}` cannot stand together")
    };
    Diagnostic::new(&RULE, span, message).help("keep one of them")
}
