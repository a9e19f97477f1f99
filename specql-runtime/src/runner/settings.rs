//! The values behind `{env: NAME}` and `{secret: name}`, resolved when a job starts and never stored.

use std::{
    collections::HashMap,
    path::{Component, Path},
    sync::{Arc, RwLock},
};

use specql_registry::Setting;

use super::redact::Redactor;

/// The variable that names the folder of the secret files, as Docker and Kubernetes mount them.
const SECRETS_DIR: &str = "SPECQL_SECRETS_DIR";
/// Largest secret file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Resolves references, and remembers what a credential resolved to so that it can be masked.
#[derive(Default)]
pub struct Settings {
    /// Given in code (`Worker::builder(..).env(name, value)`); they come before the process environment.
    overrides: HashMap<String, String>,
    /// Masks every credential resolved so far.
    redactor: RwLock<Arc<Redactor>>,
}

/// Why a reference has no value. Never holds one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// The variable is not set, and the reference has no default.
    #[error("environment variable `{0}` is not set")]
    Unset(String),
    /// The variable is set to something that is not UTF-8.
    #[error("environment variable `{0}` is not UTF-8")]
    NotUtf8(String),
    /// There is no folder of secrets.
    #[error("secret `{0}` cannot be read: `SPECQL_SECRETS_DIR` is not set")]
    NoDirectory(String),
    /// The file of the secret cannot be read.
    #[error("secret `{name}` cannot be read from `SPECQL_SECRETS_DIR`: {reason}")]
    Unreadable {
        /// The secret's name.
        name: String,
        /// What the system said.
        reason: String,
    },
}

impl Settings {
    /// Settings whose variables are looked for in `overrides` first, then in the process environment.
    #[must_use]
    pub fn new(overrides: HashMap<String, String>) -> Self {
        Self { overrides, redactor: RwLock::default() }
    }

    /// The value of a setting that is no credential. A [`Setting::Secret`] is one wherever it stands, and is remembered.
    ///
    /// # Errors
    /// The variable is not set, or the secret cannot be read.
    pub fn resolve(&self, setting: &Setting) -> Result<String, SettingError> {
        match setting {
            Setting::Literal(text) => Ok(text.clone()),
            Setting::Env { name, default } => match (self.variable(name)?, default) {
                // `$(cat token)` loses a line break at its end, `$'token\n'` and a file of variables do not.
                (Some(value), _) => Ok(without_line_break(&value).to_owned()),
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => Err(SettingError::Unset(name.clone())),
            },
            Setting::Secret(name) => {
                let value = self.secret(name)?;
                self.remember(&value);
                Ok(value)
            }
        }
    }

    /// The value of a credential: remembered, and masked from then on.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_credential(&self, setting: &Setting) -> Result<String, SettingError> {
        let value = self.resolve(setting)?;
        self.remember(&value);
        Ok(value)
    }

    /// Masks `secret` from now on.
    pub fn remember(&self, secret: &str) {
        if self.redactor().knows(secret) {
            return;
        }
        let mut redactor = self.redactor.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *redactor = Arc::new(redactor.with(secret));
    }

    /// Masks every credential resolved so far.
    #[must_use]
    pub fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.redactor.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn variable(&self, name: &str) -> Result<Option<String>, SettingError> {
        if let Some(value) = self.overrides.get(name) {
            return Ok(Some(value.clone()));
        }
        match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(SettingError::NotUtf8(name.into())),
        }
    }

    /// Reads the file anew each time, so that a rotated secret is taken up without a restart.
    fn secret(&self, name: &str) -> Result<String, SettingError> {
        let unreadable = |reason: String| SettingError::Unreadable { name: name.into(), reason };
        let plain = matches!(Path::new(name).components().collect::<Vec<_>>().as_slice(), [Component::Normal(_)]);
        if !plain || name.ends_with('/') {
            return Err(unreadable("a secret's name is one file name".into()));
        }
        let folder = self.variable(SECRETS_DIR)?.ok_or_else(|| SettingError::NoDirectory(name.into()))?;
        let path = Path::new(&folder).join(name);
        let size = std::fs::metadata(&path).map_err(|error| unreadable(error.kind().to_string()))?.len();
        if size > MAX_SECRET_BYTES {
            return Err(unreadable(format!(
                "{size} bytes are more than the {MAX_SECRET_BYTES} that a secret may have"
            )));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(error.kind().to_string()))?;
        // Editors and `echo` end a file with a line break that is no part of the secret.
        Ok(without_line_break(&text).to_owned())
    }
}

/// The text without the line break at its end, if it has one.
fn without_line_break(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<_> = self.overrides.keys().collect();
        names.sort();
        f.debug_struct("Settings").field("overrides", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Settings {
        Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn env(name: &str, default: Option<&str>) -> Setting {
        Setting::Env { name: name.into(), default: default.map(str::to_owned) }
    }

    #[test]
    fn overrides_come_before_the_process_environment_and_a_default_last() {
        let settings = with(&[("PATH", "mine")]);
        assert_eq!(settings.resolve(&env("PATH", None)).as_deref(), Ok("mine"));
        assert_eq!(settings.resolve(&env("SPECQL_NO_SUCH", Some("d"))).as_deref(), Ok("d"));
        let error = settings.resolve(&env("SPECQL_NO_SUCH", None)).unwrap_err();
        assert_eq!(error.to_string(), "environment variable `SPECQL_NO_SUCH` is not set");
    }

    #[test]
    fn a_variable_is_taken_without_its_last_line_break() {
        let settings = with(&[("TOKEN", "hunter2hunter2\n"), ("CRLF", "a\r\n"), ("TWO", "a\n\n"), ("INNER", "a\nb")]);
        let value = |name| settings.resolve(&env(name, None)).unwrap();
        assert_eq!(
            [value("TOKEN"), value("CRLF"), value("TWO"), value("INNER")],
            ["hunter2hunter2", "a", "a\n", "a\nb"]
        );
    }

    #[test]
    fn a_secret_is_a_file_without_its_last_line_break_and_is_masked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("stripe"), "sk_test_123456\n").unwrap();
        let settings = with(&[(SECRETS_DIR, folder.path().to_str().unwrap())]);
        assert_eq!(settings.resolve(&Setting::Secret("stripe".into())).as_deref(), Ok("sk_test_123456"));
        assert_eq!(settings.redactor().text("key sk_test_123456!"), "key ***!");
        std::fs::write(folder.path().join("stripe"), "sk_test_rotated\r\n").unwrap();
        assert_eq!(settings.resolve(&Setting::Secret("stripe".into())).as_deref(), Ok("sk_test_rotated"));
        assert_eq!(settings.redactor().text("sk_test_123456 sk_test_rotated"), "*** ***");
    }

    #[test]
    fn a_secret_never_leaves_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let settings = with(&[(SECRETS_DIR, folder.path().to_str().unwrap())]);
        for name in ["../passwd", "/etc/passwd", "a/b", "..", ".", "", "a/"] {
            let error = settings.resolve(&Setting::Secret(name.into())).unwrap_err();
            assert!(error.to_string().contains("one file name"), "{name}: {error}");
        }
        assert!(settings.resolve(&Setting::Secret("absent".into())).is_err());
    }

    #[test]
    fn credentials_are_remembered_and_other_settings_are_not() {
        let settings = with(&[("KEY", "hunter2hunter2"), ("HOST", "api.example.eu")]);
        settings.resolve(&env("HOST", None)).unwrap();
        settings.resolve_credential(&env("KEY", None)).unwrap();
        assert_eq!(settings.redactor().text("api.example.eu hunter2hunter2"), "api.example.eu ***");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
