//! What is measured.

pub(crate) mod drain;
pub(crate) mod fill;
pub(crate) mod latency;
pub(crate) mod single;
pub(crate) mod steady;

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    child::{Order, Step},
    contender::Entrant,
    measure::Measured,
    server::{Scratch, Server, Template},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Jobs that do nothing, from the first handler's call to the last result on disk; and their enqueuing in bulk.
    Drain,
    /// Jobs queued one a transaction by 64 clients.
    Single,
    /// From the commit to the handler, on an idle worker.
    Latency,
    /// A fixed rate: from the beginning of the enqueuing to the handler, and the worker's CPU.
    Steady,
    /// Like drain, but each job's row is written when it is done.
    Callback,
    /// Like drain, under a limit on jobs at a time over all workers that does not bind.
    Limit,
}

/// How much of each.
pub(crate) struct Budget {
    pub(crate) rounds: usize,
    pub(crate) jobs: u64,
    pub(crate) callback_jobs: u64,
    /// A fill or a drain that takes longer is cut, and its rate taken over what was done.
    pub(crate) drain_seconds: f64,
    pub(crate) single_seconds: f64,
    pub(crate) latency_samples: u64,
    pub(crate) latency_seconds: f64,
    pub(crate) steady_seconds: f64,
}

impl Budget {
    pub(crate) const FULL: Self = Self {
        rounds: 3,
        jobs: 200_000,
        callback_jobs: 50_000,
        drain_seconds: 10.0,
        single_seconds: 5.0,
        latency_samples: 250,
        latency_seconds: 20.0,
        steady_seconds: 10.0,
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        jobs: 40_000,
        callback_jobs: 10_000,
        drain_seconds: 2.5,
        single_seconds: 2.0,
        latency_samples: 60,
        latency_seconds: 4.0,
        steady_seconds: 4.0,
    };
}

/// Jobs a second of the steady state.
pub(crate) const STEADY_RATE: u64 = 2_000;
/// A limit that no worker here reaches.
const LIMIT: u32 = 10_000;

impl Workload {
    /// Whether it tells a tuned library from one as it comes, and is worth its time.
    pub(crate) fn takes(self, entrant: Entrant) -> bool {
        match self {
            Self::Drain | Self::Latency => true,
            Self::Single | Self::Steady | Self::Callback => !entrant.defaults,
            Self::Limit => !entrant.defaults && entrant.has_limit(),
        }
    }

    /// The limit under which it runs.
    pub(crate) const fn limit(self) -> Option<u32> {
        if matches!(self, Self::Limit) { Some(LIMIT) } else { None }
    }

    pub(crate) async fn measure(
        self,
        server: &Server,
        installed: &Template,
        entrant: Entrant,
        program: Option<PathBuf>,
        budget: &Budget,
    ) -> anyhow::Result<Sample> {
        let scratch = server.scratch(Some(installed)).await?;
        let measured = self.measure_in(&scratch, entrant, program, budget).await;
        server.drop(scratch).await?;
        measured
    }

    async fn measure_in(
        self,
        scratch: &Scratch,
        entrant: Entrant,
        program: Option<PathBuf>,
        budget: &Budget,
    ) -> anyhow::Result<Sample> {
        let order = |step: Step, jobs: u64, seconds: f64| Order {
            entrant,
            step,
            url: scratch.url.clone(),
            jobs,
            seconds,
            limit: self.limit(),
            program: program.clone(),
        };
        let alone = |measured| Sample { measured, fill: None };
        match self {
            Self::Drain | Self::Limit => {
                let fill = order(Step::Fill, budget.jobs / entrant.share(), budget.drain_seconds);
                drain::in_parent(scratch, fill, order(Step::Drain, 0, budget.drain_seconds)).await
            }
            Self::Callback => {
                let jobs = budget.callback_jobs / entrant.share();
                drain::make_rows(scratch, jobs).await?;
                let fill = order(Step::FillCallbacks, jobs, budget.drain_seconds);
                let drain = order(Step::DrainCallbacks, 0, budget.drain_seconds);
                let mut sample = drain::in_parent(scratch, fill, drain).await?;
                drain::count_rows(scratch, &mut sample.measured).await?;
                Ok(sample)
            }
            Self::Single => Ok(alone(order(Step::Single, 0, budget.single_seconds).spawn().await?)),
            Self::Latency => {
                let latency = order(Step::Latency, budget.latency_samples, budget.latency_seconds);
                Ok(alone(latency.spawn().await?))
            }
            Self::Steady => Ok(alone(order(Step::Steady, STEADY_RATE, budget.steady_seconds).spawn().await?)),
        }
    }
}

/// What a workload measured, and its enqueuing where it had one of its own.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) measured: Measured,
    pub(crate) fill: Option<Measured>,
}
