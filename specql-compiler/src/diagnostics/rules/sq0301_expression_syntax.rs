//! SQ0301: text that is no expression.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Text that is no expression.
pub static RULE: Rule = Rule {
    code: "SQ0301",
    name: "expression-syntax",
    severity: Severity::Error,
    explanation: "\
Expressions are a part of SQL's: constants, names, operators, `CASE` and a list of functions. A plain value in `values`,
`set` or `input`, and a clause such as `where` and `validate`, is an expression. A value in quotes is a text.

Wrong:
```yaml
- update: Order
  set: {name: Ada Lovelace}
```

Right:
```yaml
- update: Order
  set: {name: \"Ada Lovelace\"}
```
",
};

/// Words where an expression may stand.
#[must_use]
pub fn words(span: Span, text: &str) -> Diagnostic {
    error(span, format!("`{}` is neither an expression nor a text", escaped(text))).help(quote_or_name(text))
}

/// A date without quotes.
#[must_use]
pub fn date(span: Span, text: &str) -> Diagnostic {
    error(span, format!("`{text}` without quotes is a subtraction"))
        .help(format!("a date stands in quotes: `\"{text}\"`"))
}

/// Both ways out for a plain text that means nothing.
fn quote_or_name(text: &str) -> String {
    let text = escaped(text);
    format!("a text stands in quotes: `\"{text}\"`; what a row or an input holds begins with `$`, as in `$order.total`")
}

/// A text as it may stand between YAML's double quotes, and before people.
pub(super) fn escaped(text: &str) -> String {
    text.split('\'').map(|part| part.escape_debug().to_string()).collect::<Vec<_>>().join("'")
}

/// What is wrong.
#[must_use]
pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(&RULE, span, message)
}
