//! `cargo package`: what is shipped is unpacked and built by Cargo itself, which refuses build scripts that write.

use specql_tests::app::{App, repository, succeed};

use crate::{add_field, refusal, seal, tree};

/// `cargo package` of an application whose dependencies are not published yet. A package has no `[patch]` of its own, but a
/// configuration holds for its verification too.
fn package(app: &App) -> std::process::Command {
    let mut command = app.cargo(&["package", "--allow-dirty", "--offline"]);
    for (name, folder) in [
        ("specql-registry", "registry"),
        ("specql-compiler", "specql-compiler"),
        ("specql-macros", "specql-macros"),
        ("specql-runtime", "specql-runtime"),
    ] {
        let path = repository().join(folder);
        command.arg("--config").arg(format!("patch.crates-io.{name}.path={:?}", path.display().to_string()));
    }
    command
}

#[test]
fn a_sealed_project_is_packaged_and_verified_and_another_is_refused() {
    let app = crate::app("packed-book");
    succeed(&mut app.cargo(&["check"]));
    let said = refusal(&mut package(&app));
    assert!(said.contains("[SQ0605]") && said.contains("this is a packaged crate"), "{said}");

    seal(&app);
    let before = tree(app.path());
    succeed(&mut package(&app));
    assert_eq!(tree(app.path()), before);

    add_field(&app, "town: text");
    let said = refusal(&mut package(&app));
    assert!(said.contains("[SQ0606]") && said.contains("this is a packaged crate"), "{said}");
}
