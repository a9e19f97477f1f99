//! Values in a configuration that may be given later, by the environment or by a secret file.

use serde::{Deserialize, Serialize};

/// A configured text: in the registry itself, or a reference that the worker resolves when a job starts.
///
/// References are never stored in a job row, and what a [`Setting::Secret`] or a setting under a credential's key
/// resolves to is masked wherever the worker writes text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Written in the registry.
    Literal(String),
    /// `{env: NAME}` or `{env: NAME, default: text}`.
    Env {
        /// Name of the environment variable.
        name: String,
        /// Used when the variable is not set. Never given for a credential.
        default: Option<String>,
    },
    /// `{secret: name}`: the file `name` in the folder that `SPECQL_SECRETS_DIR` names.
    Secret(String),
}

/// Whether a key (of a header, a query parameter, a configuration) names a credential: a literal under it is an error,
/// and what a reference under it resolves to is masked.
#[must_use]
pub fn names_credential(key: &str) -> bool {
    const WORDS: &[&str] = &[
        "apikey",
        "authorization",
        "bearer",
        "credential",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "secret",
        "signature",
        "token",
        "accesskey",
        "authkey",
        "webhookurl",
    ];
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    // `max_tokens` and the like count something; they hold no credential.
    !plain.ends_with("tokens") && WORDS.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use super::names_credential;

    #[test]
    fn credentials_are_known_by_their_key() {
        for key in ["token", "X-Api-Key", "api_key", "client_secret", "Authorization", "db_password", "accessToken"] {
            assert!(names_credential(key), "{key}");
        }
        for key in ["amount", "max_tokens", "key", "author", "idempotency_key"] {
            assert!(!names_credential(key), "{key}");
        }
    }
}
