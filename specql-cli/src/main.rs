//! The `specql` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    specql_cli::run(std::env::args_os())
}
