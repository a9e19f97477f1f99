//! What Cargo does with a project and its migrations: what it builds again, what it writes and where it writes nothing.
//!
//! | module | holds |
//! |---|---|
//! | `fresh` | no build is repeated, no check on save makes a second migration |
//! | `locked` | CI, `SPECQL_LOCKED`, docs.rs, a read-only tree: nothing is written |
//! | `package` | `cargo package`, with its verification |
//! | `release` | a release build, before and after the seal |
//! | `branches` | two branches that both add a migration |
//! | `history` | sealed files that were edited or removed |
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

mod branches;
mod fresh;
mod history;
mod locked;
mod package;
mod release;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use specql_compiler::Project;
use specql_tests::app::App;

/// A project made from the template, with one more entity-file edit at hand.
fn app(name: &str) -> App {
    App::from_template(name)
}

/// Adds a field to the guest.
fn add_field(app: &App, field: &str) {
    let entity = app.read("entities/guest.yaml");
    app.write("entities/guest.yaml", &entity.replacen("  name: text!", &format!("  name: text!\n  {field}"), 1));
}

/// `cargo specql migrate seal`.
fn seal(app: &App) {
    Project::seal(app.path(), None).unwrap();
}

/// What a failing command says.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it should fail: {command:?}\n{said}");
    said
}

/// Names, bytes and times of everything in a project's folder, but what Cargo itself keeps there.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let (mut found, mut waiting) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("Cargo.lock") || path.ends_with("target") {
                continue;
            }
            let metadata = fs::metadata(&path).unwrap();
            let bytes = if metadata.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            if metadata.is_dir() {
                waiting.push(path.clone());
            }
            found.push((path, bytes, metadata.modified().unwrap()));
        }
    }
    found.sort();
    found
}

/// The names in `migrations/`.
fn migrations(app: &App) -> Vec<String> {
    let entries = fs::read_dir(app.path().join("migrations")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".gitattributes");
    names.sort();
    names
}
