//! The `specql` command, also `cargo specql`: a front to the compiler and to the job queue.
//!
//! | module | holds |
//! |---|---|
//! | `cli` | the commands and their arguments |
//! | `project` | the project that a command is about |
//! | `table` | columns of text |
//! | `commands` | one file for each command |
//!
//! Invariants: no knowledge of the language and no SQL: what a command does is done by the crates below. Results go to
//! standard output, what went wrong to standard error; the exit status is 1 when something did.

mod cli;
mod commands;
mod project;
mod table;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

/// Runs a command line; the first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match cli::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes. Of PostgreSQL's errors sqlx also shows a line, which is one of PostgreSQL's source and of nothing that the
/// reader has written.
fn told(error: &anyhow::Error) -> String {
    let mut told = Vec::new();
    for cause in error.chain() {
        let database = cause.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        let Some(database) = database else {
            told.push(cause.to_string());
            continue;
        };
        let state = database.code().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
        told.push(format!("{}{state}", database.message()));
        // What is behind it says the same.
        break;
    }
    told.join(": ")
}
