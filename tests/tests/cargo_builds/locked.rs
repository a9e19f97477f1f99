//! Where nothing may be written: what is missing is an error, and what is complete builds.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use specql_tests::app::{App, succeed};

use crate::{add_field, refusal, seal, tree};

/// What forbids a build to write.
const FORBIDDING: [&str; 3] = ["CI", "SPECQL_LOCKED", "DOCS_RS"];

/// What a check says that must not write, and does not.
fn refused(app: &App, variable: &str) -> String {
    let before = tree(app.path());
    let said = refusal(app.cargo(&["check"]).env(variable, "1"));
    assert_eq!(tree(app.path()), before, "something was written");
    assert!(said.contains(&format!("`{variable}` is set")), "{said}");
    said
}

#[test]
fn ci_a_lock_and_docs_rs_want_a_history_that_is_complete_and_sealed() {
    let app = crate::app("locked-book");
    let said = refused(&app, "CI");
    assert!(said.contains("[SQ0606]") && said.contains("cargo build"), "{said}");
    assert!(!app.path().join("migrations").exists());

    succeed(&mut app.cargo(&["check"]));
    for variable in FORBIDDING {
        let said = refused(&app, variable);
        assert!(said.contains("[SQ0605]") && said.contains("cargo specql migrate seal"), "{said}");
    }
    seal(&app);
    read_only(app.path(), true);
    let before = tree(app.path());
    for variable in FORBIDDING {
        succeed(app.cargo(&["check", "--locked"]).env(variable, "1"));
    }
    // An ordinary build of a complete tree writes nothing either.
    succeed(&mut app.cargo(&["check", "--locked"]));
    assert_eq!(tree(app.path()), before);
    read_only(app.path(), false);

    add_field(&app, "town: text");
    assert!(refused(&app, "SPECQL_LOCKED").contains("[SQ0606]"));
}

/// Takes the right to write from everybody, as docs.rs mounts its sources. It does not bind root, who is watched by `tree`.
fn read_only(root: &Path, read_only: bool) {
    let mode = |is_folder: bool| match (is_folder, read_only) {
        (true, true) => 0o555,
        (true, false) => 0o755,
        (false, true) => 0o444,
        (false, false) => 0o644,
    };
    let paths: Vec<_> = tree(root).into_iter().map(|(path, ..)| path).chain([root.to_owned()]).collect();
    for path in paths {
        let mode = mode(path.is_dir());
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}
