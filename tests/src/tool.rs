//! The programs that `cargo xtask test` installs.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// Python, with the packages that tests need.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn python() -> PathBuf {
    program("python")
}

/// sqlx-cli's `sqlx`.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn sqlx() -> PathBuf {
    folder("SPECQL_TEST_SQLX", "sqlx/bin/sqlx")
}

/// A program of the Python environment.
pub(crate) fn program(name: &str) -> PathBuf {
    folder("SPECQL_TEST_PYTHON", "venv/bin").join(name)
}

/// The file or folder that a variable of `cargo xtask test` names, or where that command puts it.
pub(crate) fn folder(variable: &str, usual: &str) -> PathBuf {
    let folder = env::var_os(variable).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-tools")).join(usual),
        PathBuf::from,
    );
    assert!(folder.exists(), "{} is missing: run `cargo xtask test --setup-only` first", folder.display());
    folder
}

/// A Python script that answers questions: a JSON text a line, in and out.
#[derive(Debug)]
pub(crate) struct Script {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Script {
    /// Starts it.
    pub(crate) fn start(text: &str) -> Self {
        let mut child = Command::new(python())
            .args(["-c", text])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let questions = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, questions, answers }
    }

    /// What it says to this.
    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}")
            .expect("the script listens: is pglast installed? run `cargo xtask test`");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the script answers");
        serde_json::from_str(&line).expect("the script answers: is pglast installed? run `cargo xtask test`")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended already: gone is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
