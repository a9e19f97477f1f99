//! SpecQL's worker and other PostgreSQL job queues of crates.io: one program, one run, one server.
//!
//! `cargo run --release -- --quick` for a look, `cargo run --release` for the figures in `docs/race.md`, which says how
//! each contender is set up and by which words of its own documentation. `scale` and `memory` look at our worker alone.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | what can be asked |
//! | [`server`] | the PostgreSQL server, and a fresh database for each measurement |
//! | [`contender`] | what a queue must be able to do here, and one file for each |
//! | [`handler`] | the job's own work, the same for all |
//! | [`workload`] | what is measured, one file for each |
//! | [`child`] | each measured process is a child of this one, so that its memory and CPU are its own |
//! | [`race`] | rounds, rotated |
//! | [`report`], [`chart`], [`docs`] | the table and the picture, and their place in the documentation |
//! | [`scale`], [`memory`] | our worker's cost as the queue grows |

mod chart;
mod child;
mod cli;
mod contender;
mod docs;
mod handler;
mod measure;
mod memory;
mod race;
mod report;
mod scale;
mod server;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().expect("threads and epoll are to be had");
    let done = runtime.block_on(async {
        match arguments.command {
            Some(Command::Child) => child::run().await,
            Some(Command::Scale(plan)) => scale::run(&plan).await,
            Some(Command::Memory(plan)) => memory::run(&plan).await,
            None => race::run(&arguments.race).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // In one line, which the table repeats where it is a child's.
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
