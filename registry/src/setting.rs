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
