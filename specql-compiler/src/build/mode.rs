//! Whether a build may write into the source tree.

use std::path::Path;

use crate::outputs::Mode;

/// Environment variables that decide it: Cargo runs the build script again when one of them changes.
pub(super) const VARIABLES: [&str; 3] = ["CI", "SPECQL_LOCKED", "DOCS_RS"];

/// The mode of a build of the package in `root`.
///
/// In CI, for a release and in a packaged crate the tree must already hold what it should: what is tested and shipped is
/// what was reviewed and committed. Cargo refuses packages whose build scripts write into their sources anyway.
#[must_use]
pub fn mode(root: &Path, variable: impl Fn(&str) -> Option<String>) -> Mode {
    let on = |name: &str| variable(name).is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    let why = if let Some(name) = VARIABLES.iter().find(|name| on(name)) {
        format!("`{name}` is set")
    } else if variable("PROFILE").as_deref() == Some("release") {
        "this is a release build".to_owned()
    } else if root.join("Cargo.toml.orig").exists() {
        "this is a packaged crate".to_owned()
    } else {
        return Mode::Write;
    };
    Mode::Compare(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Mode {
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_ordinary_build_writes() {
        assert_eq!(with(&[("PROFILE", "debug")]), Mode::Write);
        assert_eq!(with(&[("CI", "false"), ("SPECQL_LOCKED", "0")]), Mode::Write);
    }

    #[test]
    fn ci_locked_docs_and_release_builds_only_compare() {
        for (name, value) in [("CI", "true"), ("SPECQL_LOCKED", "1"), ("DOCS_RS", "1")] {
            assert_eq!(with(&[(name, value)]), Mode::Compare(format!("`{name}` is set")));
        }
        assert_eq!(with(&[("PROFILE", "release")]), Mode::Compare("this is a release build".to_owned()));
    }

    #[test]
    fn a_packaged_crate_only_compares() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Cargo.toml.orig"), "").unwrap();
        assert_eq!(mode(dir.path(), |_| None), Mode::Compare("this is a packaged crate".to_owned()));
    }
}
