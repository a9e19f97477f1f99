//! `cargo specql …`: Cargo calls this program and repeats the word.

use std::process::ExitCode;

fn main() -> ExitCode {
    let repeated = |(index, word): &(usize, std::ffi::OsString)| *index == 1 && word == "specql";
    specql_cli::run(std::env::args_os().enumerate().filter(|word| !repeated(word)).map(|(_, word)| word))
}
