//! The README's tour, word for word: every command of its `console` blocks is run, in order, in a copy of the repository, and
//! must print the lines that stand below it. `…` stands for any text; lines that are not shown may be printed too.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use specql_tests::app::{repository, succeed, target};

/// A command of the README, with what it must print.
#[derive(Debug, Default)]
struct Step {
    command: String,
    fails: bool,
    expected: Vec<String>,
}

/// The commands of all `console` blocks. One whose line ends in `# fails` must fail.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    let fails = command.ends_with("# fails");
                    steps.push(Step { command: command.to_owned(), fails, expected: Vec::new() });
                }
                (None, Some(step)) => step.expected.push(line.trim().to_owned()),
                (None, None) => panic!("output without a command: {line}"),
            },
        }
    }
    steps
}

/// Whether `pattern`, in which `…` stands for any text, occurs in the line.
fn occurs(pattern: &str, line: &str) -> bool {
    let mut rest = line;
    pattern.split('…').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Copies what Git tracks, and what it would track.
fn copy_repository(to: &Path) {
    let list = succeed(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(repository()),
    );
    for file in String::from_utf8(list.stdout).unwrap().split_terminator('\0') {
        let from = repository().join(file);
        if from.exists() {
            let target = to.join(file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(from, target).unwrap();
        }
    }
}

#[test]
fn the_tour_works_word_for_word() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    let steps = steps(&text);
    assert!(steps.len() >= 8, "the tour has become short: {steps:?}");
    let copy = tempfile::Builder::new().prefix("specql-tour-").tempdir().unwrap();
    fs::set_permissions(copy.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    copy_repository(copy.path());
    for step in steps {
        let output = Command::new("bash")
            .args(["-c", &format!("{{ {}\n}} 2>&1", step.command)])
            .current_dir(copy.path())
            .stdin(Stdio::null())
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_TERM_COLOR", "never")
            .env("SPECQL_DATA_DIR", copy.path().join("server"))
            .env_remove("CI")
            .env_remove("DATABASE_URL")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.success(), !step.fails, "`{}` ended with {}\n{printed}", step.command, output.status);
        let mut lines = printed.lines();
        for expected in step.expected.iter().filter(|line| !line.is_empty() && *line != "…") {
            assert!(
                lines.any(|line| occurs(expected, line)),
                "`{}` did not print `{expected}` (in this order); it printed:\n{printed}",
                step.command
            );
        }
    }
}

#[test]
fn yaml_samples_are_what_the_example_holds_or_compile() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    let order = fs::read_to_string(repository().join("examples/shop/entities/order.yaml")).unwrap();
    let mut samples = 0;
    for sample in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        samples += 1;
        assert!(order.contains(sample.trim_end()), "not in examples/shop/entities/order.yaml:\n{sample}");
    }
    assert!(samples > 0);
}

#[test]
fn rust_samples_are_what_the_example_holds() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    let shop = fs::read_to_string(repository().join("examples/shop/src/main.rs")).unwrap();
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut samples = 0;
    for sample in text.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        samples += 1;
        assert!(squeeze(&shop).contains(&squeeze(sample)), "not in examples/shop/src/main.rs:\n{sample}");
    }
    assert!(samples > 0);
}
