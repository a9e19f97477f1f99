//! SQ0510: a call without TLS that nobody allowed.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A call without TLS that nobody allowed.
pub static RULE: Rule = Rule {
    code: "SQ0510",
    name: "plaintext",
    severity: Severity::Error,
    explanation: "\
Calls go over https. `plaintext: true` in `runner_config` allows http://, for a service on your own machine or network.

Wrong:
```yaml
runner_config: {base_url: \"http://api.example.eu\"}
```

Right:
```yaml
runner_config: {base_url: \"https://api.example.eu\"}
```
",
};

/// The URL begins with `http://`.
#[must_use]
pub fn plaintext(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "calls without TLS are not allowed here")
        .help("write https://, or set `plaintext: true` in `runner_config`")
}
