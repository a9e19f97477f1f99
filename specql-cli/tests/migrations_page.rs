//! `docs/migrations.md`, word for word, in one project: its files are written, its commands are run in order and must print the lines
//! below them, its other SQL must stand in the migrations. What it says of a project that has migrations already is done in one that has
//! twenty.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use specql_compiler::{Mode, Project};
use specql_runtime::testing;

const PAGE: &str = include_str!("../../docs/migrations.md");

/// The section that is about another project.
const OTHER_PROJECT: &str = "## A project that has migrations already";

/// The fenced blocks: language and text.
fn blocks(page: &'static str) -> Vec<(&'static str, &'static str)> {
    let inside = page.split("```").skip(1).step_by(2);
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
    let (page, other) = PAGE.split_once(OTHER_PROJECT).unwrap();
    let root = tempfile::tempdir().unwrap();
    assert_eq!(true_blocks(page, root.path(), server), ["console", "sql", "yaml"]);
    let root = tempfile::tempdir().unwrap();
    let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests/migrate/realworld/migrations");
    fs::create_dir(root.path().join("migrations")).unwrap();
    for entry in fs::read_dir(theirs).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), root.path().join("migrations").join(entry.file_name())).unwrap();
    }
    assert_eq!(true_blocks(other, root.path(), server), ["console", "sql", "toml", "yaml"]);
}

/// Writes and runs what stands there; in which languages.
fn true_blocks(page: &'static str, root: &Path, server: &str) -> Vec<&'static str> {
    let mut languages = BTreeSet::new();
    for (language, text) in blocks(page) {
        languages.insert(language);
        let (first, rest) = text.split_once('\n').unwrap();
        let file = first.strip_prefix("# ").or(first.strip_prefix("-- ").filter(|path| path.ends_with(".sql")));
        match (language, file) {
            ("yaml" | "toml" | "sql", Some(path)) => {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                fs::write(root.join(path), rest).unwrap();
            }
            ("console", _) => console(text, root, server),
            ("sql", None) => {
                let files = fs::read_dir(root.join("migrations")).unwrap();
                let all: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
                assert!(text.lines().all(|line| all.contains(line)), "{text}");
            }
            _ => panic!("a block of `{language}`"),
        }
    }
    languages.into_iter().collect()
}
