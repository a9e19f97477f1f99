//! SQ0509: a target outside the service's own policy.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A target outside the service's own policy.
pub static RULE: Rule = Rule {
    code: "SQ0509",
    name: "host-not-allowed",
    severity: Severity::Error,
    explanation: "\
A worker calls the hosts of `allowed_hosts` alone (without it: the host of `base_url`), on public addresses alone unless
`allow_private_network` is set. A target that the policy refuses would fail at every call.

Wrong:
```yaml
runner_config: {base_url: \"https://api.example.eu\"}
security_policy: {allowed_hosts: [example.eu]}
```

Right:
```yaml
runner_config: {base_url: \"https://api.example.eu\"}
security_policy: {allowed_hosts: [api.example.eu]}
```
",
};

/// `what` says what is refused and why.
#[must_use]
pub fn host_not_allowed(span: Span, what: impl Into<String>) -> Diagnostic {
    Diagnostic::new(&RULE, span, what)
}
