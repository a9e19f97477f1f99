//! One file for each command.

mod check;
mod emit;
mod explain;
mod jobs;
mod migrate;
mod schema;
mod services;

use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use crate::cli::Command;

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { dir, deny_warnings, format } => check::run(&dir, deny_warnings, format),
        Command::Emit { what, dir } => emit::run(what, &dir),
        Command::Services(command) => services::run(&command),
        Command::Jobs { command, dir } => jobs::run(&command, &dir),
        Command::Migrate { command, dir } => migrate::run(&command, &dir),
        Command::Schema { format, out } => schema::run(format, out.as_deref()),
        Command::Explain { code } => explain::run(code.as_deref()),
    }
}

/// `1 entity`, `3 entities`.
fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// To standard output. A reader that closes its end, as in `specql emit sql | head`, is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
