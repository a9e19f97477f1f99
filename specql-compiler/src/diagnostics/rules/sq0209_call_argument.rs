//! SQ0209: an argument that is missing, unknown or given twice.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// An argument that is missing, unknown or given twice.
pub static RULE: Rule = Rule {
    code: "SQ0209",
    name: "call-argument",
    severity: Severity::Error,
    explanation: "\
A call gives each required input of the action a value, by its name; inputs that are left out take their defaults.

Wrong:
```yaml
actions:
  - name: reserve
    input: {id: uuid!, quantity: integer!}
    steps:
      - update: Order SET total = total + $input.quantity
  - name: open
    steps:
      - call: reserve(order = $order, quantity = 1, quantity = 2)
```

Right:
```yaml
actions:
  - name: reserve
    input: {id: uuid!, quantity: integer!}
    steps:
      - update: Order SET total = total + $input.quantity
  - name: open
    steps:
      - call: reserve(id = $order.id, quantity = 2)
```
",
};

/// The callee takes no argument of that name.
#[must_use]
pub fn unknown<'a>(span: Span, callee: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("`{callee}` takes no `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic.help("it takes nothing"),
    }
}

/// Required arguments are left out.
#[must_use]
pub fn missing(span: Span, callee: &str, names: &[String]) -> Diagnostic {
    let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let written: Vec<String> = names.iter().map(|name| format!("{name} = …")).collect();
    Diagnostic::new(&RULE, span, format!("`{callee}` needs {}", list.join(" and ")))
        .help(format!("write `{callee}({})`", written.join(", ")))
}

/// An argument is there twice.
#[must_use]
pub fn twice(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` is given twice")).help("keep one of them")
}
