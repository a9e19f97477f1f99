//! SQ0309: a text in quotes that looks like an expression.

use super::sq0301_expression_syntax::escaped;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A text in quotes that looks like an expression.
pub static RULE: Rule = Rule {
    code: "SQ0309",
    name: "quoted-expression",
    severity: Severity::Warning,
    explanation: "\
Where a value stands (`values`, `set`, `input`, `idempotency_key` and so on), quotes make a text: it is kept as it is, but for
`{$path}` in it. An expression stands there without quotes, or in `{$expr: \"…\"}` where YAML would cut it.

Wrong:
```yaml
- update: Order
  set: {name: \"$order.customer_email\", note: \"'web'\"}
```

Right:
```yaml
- update: Order
  set: {name: $order.customer_email, note: \"web\"}
```
",
};

/// `text` is no expression, for it stands in quotes.
#[must_use]
pub fn warning(span: Span, text: &str) -> Diagnostic {
    let diagnostic = Diagnostic::new(&RULE, span, format!("in quotes this is the text `{}`", escaped(text)));
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|inner| !inner.contains('\''));
    diagnostic.help(match inner {
        Some(inner) => format!("for the text `{0}` write `\"{0}\"`", escaped(inner)),
        None => format!(
            "for its value write it without quotes: `{text}`, or `{{$expr: \"{text}\"}}` where YAML would cut that; \
             in the middle of a text a value is `{{$name}}`",
            text = escaped(text),
        ),
    })
}
