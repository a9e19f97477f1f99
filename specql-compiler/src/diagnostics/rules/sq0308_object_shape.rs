//! SQ0308: an object that does not have the shape which is wanted.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity, help_for},
    source::Span,
};

/// An object that does not have the shape which is wanted.
pub static RULE: Rule = Rule {
    code: "SQ0308",
    name: "object-shape",
    severity: Severity::Error,
    explanation: "\
An object in the input of a call, or in a field with a shape, has the fields of that shape and no others; those with `!` must
be there.

Wrong:
```yaml
input: {lines: [{sku: $order.sku, quantty: 1}]}
```

Right:
```yaml
input: {lines: [{sku: $order.sku, quantity: 1}]}
```
",
};

/// The object has no field `name`.
#[must_use]
pub fn unknown<'a>(span: Span, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("the object that is wanted here has no field `{name}`"));
    match help_for(name, known) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The object lacks fields.
#[must_use]
pub fn missing(span: Span, names: &[&str]) -> Diagnostic {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Diagnostic::new(&RULE, span, format!("the object that is wanted here needs {}", names.join(", ")))
        .help("give each of them a value")
}
