//! SQ0508: a credential written into the registry.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A credential written into the registry.
pub static RULE: Rule = Rule {
    code: "SQ0508",
    name: "literal-secret",
    severity: Severity::Error,
    explanation: "\
The registry is part of the source and of the binary. Credentials are references, resolved in the worker when a call is made: `{env: NAME}`
for an environment variable, `{secret: name}` for a file in the folder that `SPECQL_SECRETS_DIR` names. They never have defaults.

Wrong:
```yaml
auth: {type: bearer, token: sk_live_123}
```

Right:
```yaml
auth: {type: bearer, token: {env: STRIPE_SECRET_KEY}}
```
",
};

/// `key` names a credential.
#[must_use]
pub fn literal_secret(span: Span, key: &str) -> Diagnostic {
    let variable = env_name(key);
    Diagnostic::new(&RULE, span, format!("`{key}` is a credential and must not stand in the registry"))
        .masked()
        .help(format!("write a reference: `{key}: {{env: {variable}}}`"))
}

/// A reference under `key`, a credential, has a default.
#[must_use]
pub fn secret_with_default(span: Span, key: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{key}` is a credential and must not have a default"))
        .masked()
        .help("leave the default out; the worker says which variable is missing")
}

/// A variable's name for a key: `X-Api-Key` → `X_API_KEY`.
fn env_name(key: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    key.chars().map(word).collect()
}
