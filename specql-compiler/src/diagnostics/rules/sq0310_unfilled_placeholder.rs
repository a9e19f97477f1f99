//! SQ0310: words of a text that look like a value.

use super::sq0301_expression_syntax::escaped;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Words of a text that look like a value.
pub static RULE: Rule = Rule {
    code: "SQ0310",
    name: "unfilled-placeholder",
    severity: Severity::Warning,
    explanation: "\
In a text, `{$path}` is replaced by a value, and nothing else is. Here stands a path of something that is there, written in another
way: people who get the text would read it as it is.

Wrong:
```yaml
- update: Order
  set: {note: \"Number { $order.customer_email }\"}
```

Right:
```yaml
- update: Order
  set: {note: \"Number {$order.customer_email}\"}
```
",
};

/// `written` stays as it is; `{$path}` may be meant.
#[must_use]
pub fn warning(span: Span, written: &str, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{}` stays in the text as it is written", escaped(written))).help(format!(
        "for the value write `{{${path}}}`; what is computed is an expression without quotes, such as `('No. ' || ${path})`"
    ))
}
