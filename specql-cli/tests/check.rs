//! `specql check`: `docs/checking.md`, word for word, and the exit status in each format.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

const PAGE: &str = include_str!("../../docs/checking.md");
const FORMATS: [&str; 3] = ["text", "json", "github"];

/// A repository with a project in its folder `shop`.
fn repository(order: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("shop/entities")).unwrap();
    fs::write(root.path().join("shop/entities/order.yaml"), order).unwrap();
    root
}

/// Runs the command in the repository, as a workflow does.
fn check(repository: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_specql"))
        .args(["check", "shop"])
        .args(arguments)
        .current_dir(repository)
        .env_remove("GITHUB_WORKSPACE")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let inside = PAGE.split("```").skip(1).step_by(2);
    inside.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The page's own file, with one error and one warning.
fn sample() -> tempfile::TempDir {
    let order = blocks("yaml")[0];
    repository(order.strip_prefix("# shop/entities/order.yaml\n").unwrap())
}

#[test]
fn the_page_shows_what_is_printed() {
    let repository = sample();
    let output = check(repository.path(), &["--format", "json"]);
    let project = fs::canonicalize(repository.path().join("shop")).unwrap();
    let mut printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let root = printed["project"].take();
    assert_eq!(fs::canonicalize(root.as_str().unwrap()).unwrap(), project);
    printed["project"] = json!("/home/ada/code/shop");
    let shown: Value = serde_json::from_str(blocks("json")[0]).unwrap();
    assert_eq!(printed, shown, "{printed:#}");
    assert_eq!(text(&output.stderr), "");

    let output = check(repository.path(), &["--format", "github"]);
    assert_eq!(text(&output.stdout), blocks("text")[0]);
    assert_eq!(text(&output.stderr), "failed: 1 error, 1 warning\n");
}

#[test]
fn every_key_of_a_diagnostic_is_explained() {
    let shown: Value = serde_json::from_str(blocks("json")[0]).unwrap();
    for key in shown["diagnostics"][0].as_object().unwrap().keys() {
        assert!(PAGE.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn a_workflow_knows_files_below_its_checkout() {
    let repository = sample();
    let output = Command::new(env!("CARGO_BIN_EXE_specql"))
        .args(["check", "--format", "github"])
        .current_dir(repository.path().join("shop/entities"))
        .env("GITHUB_WORKSPACE", repository.path())
        .output()
        .unwrap();
    assert!(text(&output.stdout).starts_with("::error file=shop/entities/order.yaml,"), "{}", text(&output.stdout));
}

#[test]
fn the_exit_status_is_the_same_in_every_format() {
    let sound = repository("entity: Order\nfields:\n  total: integer!\n");
    let warned = repository("entity: Order\nfields:\n  total: integer!\nactions:\n  - name: ship\n");
    let broken = sample();
    for format in FORMATS {
        let status = |repository: &Path, more: &[&str]| {
            let arguments: Vec<_> = ["--format", format].into_iter().chain(more.iter().copied()).collect();
            check(repository, &arguments).status.code()
        };
        assert_eq!(status(sound.path(), &["--deny-warnings"]), Some(0), "{format}");
        assert_eq!(status(warned.path(), &[]), Some(0), "{format}");
        assert_eq!(status(warned.path(), &["--deny-warnings"]), Some(1), "{format}");
        assert_eq!(status(broken.path(), &[]), Some(1), "{format}");
    }
}

#[test]
fn a_sound_project_is_a_document_without_diagnostics() {
    let repository = repository("entity: Order\nfields:\n  total: integer!\n");
    let output = check(repository.path(), &["--format", "json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["errors"], &printed["diagnostics"]), (&json!(0), &json!([])));
    assert_eq!(
        text(&check(repository.path(), &["--format", "github"]).stdout),
        "ok: 1 entity, 0 actions, 0 services\n"
    );
}

#[test]
fn text_stays_the_default() {
    let repository = sample();
    let (default, asked) = (check(repository.path(), &[]), check(repository.path(), &["--format", "text"]));
    assert_eq!((&default.stdout, &default.stderr), (&asked.stdout, &asked.stderr));
    assert!(text(&default.stderr).contains(" --> entities/order.yaml:"), "{}", text(&default.stderr));
    assert_eq!(text(&default.stdout), "");
}
