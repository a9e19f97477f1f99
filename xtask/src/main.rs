//! The project's own commands. `cargo xtask test` passes every test on a fresh machine: it installs or starts what the
//! tests need, says what it does, and fails with a sentence where it cannot.

mod command;
mod pgbouncer;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, lints, documentation and all tests, with everything that they need.
    Test {
        /// Only set up what the tests need, so that a plain `cargo test` passes.
        #[arg(long)]
        setup_only: bool,
        /// Run the database tests a second time, on the PostgreSQL 18 of the embedded default (always done in CI).
        #[arg(long, env = "CI")]
        both_servers: Option<String>,
    },
    /// The chaos test for longer: kills workers, sessions and PostgreSQL, breaks networks, and checks what must hold.
    Chaos {
        /// How long things go wrong.
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// What the plan is drawn from; it is printed, and the same one draws the same plan.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Rewrite golden files, expected compiler messages and the examples' migrations from what the code says now.
    Bless,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test { setup_only: true, .. } => tools::set_up().map(|_| ()),
        Task::Test { both_servers, .. } => test::all(both_servers.is_some()),
        Task::Chaos { minutes, seed } => test::chaos(minutes, seed),
        Task::Bless => test::bless(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A sentence with its reasons; where in this program it arose helps nobody.
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
