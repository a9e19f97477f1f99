//! SQ0505: a value in a registry file that does not fit its key.

use crate::diagnostics::help_for;
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A value in a registry file that does not fit its key.
pub static RULE: Rule = Rule {
    code: "SQ0505",
    name: "bad-registry-value",
    severity: Severity::Error,
    explanation: "\
The registry's reference says which values a key takes. A service without a name, an operation without a path, a timeout out of range:
the message says what is expected.

Wrong:
```yaml
timeout: soon
```

Right:
```yaml
timeout: 30
```
",
};

/// `what` says what is wrong.
#[must_use]
pub fn bad_value(span: Span, what: impl Into<String>) -> Diagnostic {
    Diagnostic::new(&RULE, span, what)
}

/// The value under `key` is not one of the words that may stand there.
#[must_use]
pub fn unknown_word(span: Span, key: &str, given: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{given}` is no value of `{key}`"))
        .maybe_help(help_for(given, known.iter().copied()))
}
