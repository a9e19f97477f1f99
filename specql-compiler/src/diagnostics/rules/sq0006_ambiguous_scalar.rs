//! SQ0006: a plain value that readers read in different ways.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A plain value that readers read in different ways.
pub static RULE: Rule = Rule {
    code: "SQ0006",
    name: "ambiguous-scalar",
    severity: Severity::Error,
    explanation: "\
YAML 1.1 and 1.2 readers take `012` for 10, 12 or text, `0x10` for 16 or text, `True` for a boolean or text. Numbers are written in
decimal without leading zeros, signs `+` or exponents, and fit 64 bits; booleans are `true` and `false`; what is text is quoted.

Wrong:
```yaml
values: {zip: 01234, mask: 0x10, active: True}
```

Right:
```yaml
values: {zip: \"01234\", mask: 16, active: true}
```
",
};

/// `instead` is the form to write where a value (not text) was meant.
#[must_use]
pub fn ambiguous_scalar(span: Span, text: &str, why: &str, instead: Option<&str>) -> Diagnostic {
    let help = match instead {
        Some(instead) => format!("write {instead}, or \"{text}\" where text is meant"),
        None => format!("write \"{text}\" where text is meant"),
    };
    Diagnostic::new(&RULE, span, format!("`{text}`: {why}")).help(help)
}
