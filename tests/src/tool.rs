//! The programs that `cargo xtask test` installs.

use std::{env, path::PathBuf};

/// Python, with the packages that tests need.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn python() -> PathBuf {
    program("python")
}

/// A program of the Python environment.
pub(crate) fn program(name: &str) -> PathBuf {
    folder("SPECQL_TEST_PYTHON", "venv/bin").join(name)
}

/// The folder that a variable of `cargo xtask test` names, or where that command puts it.
pub(crate) fn folder(variable: &str, usual: &str) -> PathBuf {
    let folder = env::var_os(variable).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-tools")).join(usual),
        PathBuf::from,
    );
    assert!(folder.exists(), "{} is missing: run `cargo xtask test --setup-only` first", folder.display());
    folder
}
