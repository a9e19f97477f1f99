//! One file for each command.

mod check;
mod emit;
mod explain;
mod jobs;
mod migrate;
mod schema;
mod services;

use std::process::ExitCode;

use crate::cli::Command;

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { dir, deny_warnings } => check::run(&dir, deny_warnings),
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
