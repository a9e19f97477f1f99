//! `docs/migrations.md`, word for word, in one project: its YAML is written, its commands are run in order and must print the lines
//! below them, its SQL must stand in the migrations.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{fs, path::Path, process::Command};

use specql_compiler::{Mode, Project};
use specql_runtime::testing;

const PAGE: &str = include_str!("../../docs/migrations.md");

/// The fenced blocks: language and text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let inside = PAGE.split("```").skip(1).step_by(2);
    inside.map(|block| block.split_once('\n').unwrap()).collect()
}

/// Runs one command as a reader would, and gives what it prints and whether it succeeds.
fn run(command: &str, root: &Path, server: &str) -> (String, bool) {
    // The build script's part of it: `tests/tests/cargo_builds/` has Cargo's own.
    if command == "cargo build" {
        let project = Project::update(root, &Mode::Write).unwrap();
        return (project.errors().join("\n"), !project.has_errors());
    }
    let arguments = command.strip_prefix("cargo specql ").unwrap_or_else(|| panic!("{command}"));
    let output = Command::new(env!("CARGO_BIN_EXE_specql"))
        .args(arguments.split_whitespace())
        .current_dir(root)
        .env("TEST_DATABASE_URL", server)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8(printed).unwrap(), output.status.success())
}

fn console(text: &str, root: &Path, server: &str) {
    let mut printed = String::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => {
                let (command, fails) = command.strip_suffix(" # fails").map_or((command, false), |rest| (rest, true));
                let (output, success) = run(command, root, server);
                assert_eq!(success, !fails, "{command}:\n{output}");
                printed = output;
            }
            None => assert!(printed.lines().any(|found| found == line), "`{line}` was not printed, but:\n{printed}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_of_the_page_is_true() {
    let server = testing::server().await.unwrap().owner_url();
    let root = tempfile::tempdir().unwrap();
    let mut counts = [0; 3];
    for (language, text) in blocks() {
        let place = ["yaml", "console", "sql"].iter().position(|known| *known == language);
        counts[place.unwrap_or_else(|| panic!("a block of `{language}`"))] += 1;
        match language {
            "yaml" => {
                let (name, text) = text.split_once('\n').unwrap();
                let path = root.path().join(name.strip_prefix("# ").unwrap());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            "console" => console(text, root.path(), server),
            _ => {
                let files = fs::read_dir(root.path().join("migrations")).unwrap();
                let all: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
                assert!(text.lines().all(|line| all.contains(line)), "{text}");
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}
