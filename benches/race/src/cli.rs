//! What can be asked of this program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{contender::Entrant, workload::Workload};

/// Races SpecQL's worker against other PostgreSQL job queues, on the server of `DATABASE_URL`, else the embedded one.
#[derive(Parser)]
#[command(name = "race", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) race: Plan,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Drains our own queue at 10,000 to 1,000,000 queued jobs, and after minutes beside an open snapshot.
    Scale(ScalePlan),
    /// Peak memory of our own worker with 1,000 jobs in flight, and what an idle one costs.
    Memory(MemoryPlan),
    /// One measured process.
    #[command(hide = true)]
    Child,
}

/// What a race holds.
#[derive(Args)]
pub(crate) struct Plan {
    /// One short round instead of three long ones.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these contenders: `riverqueue`, or `riverqueue:defaults`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Entrant>,
    /// This program, built from an older commit: it takes part as `specql:before`, so that the step is seen in one run.
    #[arg(long, value_name = "PATH")]
    pub(crate) before: Option<PathBuf>,
    /// Only these workloads.
    #[arg(long, value_delimiter = ',')]
    pub(crate) workloads: Vec<Workload>,
    /// Rounds; the median counts.
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Jobs of a drain.
    #[arg(long)]
    pub(crate) jobs: Option<u64>,
    /// Puts the table into docs/race.md and the chart into docs/race.svg.
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Args)]
pub(crate) struct ScalePlan {
    /// 5,000,000 queued jobs too.
    #[arg(long)]
    pub(crate) full: bool,
    /// How many jobs are queued.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    pub(crate) depths: Vec<u64>,
    /// Jobs drained at each depth.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) drained: u64,
    /// So many ranges of jobs are there from earlier days, and their jobs are gone.
    #[arg(long, default_value_t = 0)]
    pub(crate) ranges: u32,
    /// Minutes at 2,000 jobs/s beside an open snapshot; none of it with 0.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes: u64,
}

#[derive(Args)]
pub(crate) struct MemoryPlan {
    /// Jobs in the queue.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) queued: u64,
    /// Jobs in flight.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) in_flight: u64,
    /// Seconds for which the idle worker is watched.
    #[arg(long, default_value_t = 30)]
    pub(crate) idle_seconds: u64,
}
