//! SQ0511: an environment that allows more than production.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An environment that allows more than production.
pub static RULE: Rule = Rule {
    code: "SQ0511",
    name: "weaker-environment",
    severity: Severity::Error,
    explanation: "\
`SPECQL_ENV` chooses an environment when a worker starts. One that is weaker than the base must say that it is for development, so that
nobody weakens production by the name of a variable.

Wrong:
```yaml
environments:
  staging:
    security_policy: {allow_private_network: true}
```

Right:
```yaml
environments:
  local:
    development: true
    security_policy: {allow_private_network: true}
```
",
};

/// `how` says in what it is weaker.
#[must_use]
pub fn weaker_environment(span: Span, environment: &str, how: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the environment `{environment}` is weaker than the base: {how}"))
        .help("mark it `development: true`, or take that out")
}
