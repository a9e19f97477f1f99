//! What is said about mistakes, as a user sees it: each folder of `tests/diagnostics/` is a small project with one kind of
//! mistake, and `expected.txt` is all that is said about it, with positions, excerpts and help.
//!
//! A folder's name begins with the code it is about. Besides the project's files it may hold
//! - `before/`: the project as it was when its first migration was sealed, or `open/`: when it was written,
//! - `new.txt`: the name of a migration that was begun by hand since then,
//! - `remove.txt`: files that were removed since then,
//! - `compare.txt`: why nothing may be written, as in CI.
//!
//! `SPECQL_BLESS=1` rewrites what is expected.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pretty_assertions::assert_eq;
use specql_compiler::{Mode, Project, internals::diagnostics::rules, render};

/// Rules that no project of a few lines can break, and where they are tested instead.
const ELSEWHERE: [(&str, &str); 1] =
    [("SQ0010", "no text is known that both readers accept and read differently: source/yaml/tests.rs")];

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Copies the files below `from`, but for what describes the fixture.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if ["before", "open", "new.txt", "remove.txt", "compare.txt", "expected.txt"].contains(&name.as_str()) {
            continue;
        }
        let target = to.join(&name);
        if entry.path().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The text with `…` for the hashes of migrations, which change with every change of the emitted SQL.
fn without_hashes(text: &str) -> String {
    let words = text.split_inclusive('"').map(|word| {
        let digits = word.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits > 40 { format!("…{}", &word[digits..]) } else { word.to_owned() }
    });
    words.collect()
}

/// Everything that is said about a fixture, and the codes.
fn said(fixture: &Path) -> (String, BTreeSet<&'static str>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    if fixture.join("before").is_dir() {
        copy(&fixture.join("before"), root);
        Project::seal(root, None).unwrap();
        fs::remove_dir_all(root.join("entities")).unwrap();
    }
    if fixture.join("open").is_dir() {
        copy(&fixture.join("open"), root);
        assert!(!Project::update(root, &Mode::Write).unwrap().has_errors());
    }
    if let Ok(name) = fs::read_to_string(fixture.join("new.txt")) {
        Project::begin_by_hand(root, name.trim_end()).unwrap();
    }
    copy(fixture, root);
    if let Ok(files) = fs::read_to_string(fixture.join("remove.txt")) {
        files.lines().for_each(|file| fs::remove_file(root.join(file)).unwrap());
    }
    let mode = match fs::read_to_string(fixture.join("compare.txt")) {
        Ok(why) => Mode::Compare(why.trim_end().to_owned()),
        Err(_) => Mode::Write,
    };
    let project = Project::read(root, &mode).unwrap();
    let shown: Vec<_> =
        project.diagnostics().map(|diagnostic| format!("{}\n", render(diagnostic, &project.sources, false))).collect();
    (without_hashes(&shown.join("\n")), project.diagnostics().map(|diagnostic| diagnostic.rule.code).collect())
}

#[test]
fn every_mistake_is_told_as_expected() {
    let bless = std::env::var_os("SPECQL_BLESS").is_some();
    for fixture in fixtures() {
        let name = fixture.file_name().unwrap().to_str().unwrap();
        let (said, codes) = said(&fixture);
        assert!(codes.contains(&name[..6]), "{name} does not raise what its name says:\n{said}");
        let expected = fixture.join("expected.txt");
        if bless {
            fs::write(&expected, said).unwrap();
        } else {
            let expected = fs::read_to_string(expected).unwrap_or_default();
            assert_eq!(said, expected, "{name}");
        }
    }
}

#[test]
fn every_rule_has_a_fixture_that_breaks_it() {
    let shown: BTreeSet<_> = fixtures().iter().flat_map(|fixture| said(fixture).1).collect();
    let missing: Vec<_> = (rules::ALL.iter().map(|rule| rule.code))
        .filter(|code| !shown.contains(code) && ELSEWHERE.iter().all(|(elsewhere, _)| elsewhere != code))
        .collect();
    assert!(missing.is_empty(), "no folder of `tests/diagnostics/` raises {missing:?}");
    assert!(fixtures().len() >= 60);
}
