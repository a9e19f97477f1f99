//! The `cargo generate` template, rendered, built and run.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::fs;

use specql_tests::app::{App, repository, succeed};

#[test]
fn a_project_made_from_the_template_builds_and_runs() {
    let app = App::from_template("guest-book");

    let output = succeed(app.cargo(&["run", "--quiet"]).env("SPECQL_DATA_DIR", app.server_folder()));

    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("the greeter answered: Hello, Ada!"), "{text}");
    assert!(app.read("migrations/0002_init.sql").contains("CREATE TABLE app_data.tb_guest"));
}

#[test]
fn every_file_of_the_template_is_rendered_by_this_test() {
    let app = App::from_template("guest-book");
    let template = repository().join("template");
    let mut folders = vec![template.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "cargo-generate.toml" {
                let relative = path.strip_prefix(&template).unwrap();
                assert!(app.path().join(relative).exists(), "{} is not rendered", relative.display());
            }
        }
    }
}
