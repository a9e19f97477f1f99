//! A measured process: it reads its order from its standard input, and writes what it measured to its standard output.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    contender::{self, Contender, Entrant, Library, Place},
    measure::Measured,
    memory,
    workload::{drain, fill, latency, single, steady},
};

/// How long a child may take beyond what it was given: to start, to migrate, and to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a child does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    Install,
    Fill,
    FillCallbacks,
    Drain,
    DrainCallbacks,
    /// The first so many jobs of more.
    DrainSome,
    Single,
    Latency,
    Steady,
    /// The other process of [`Step::Steady`].
    Produce,
    /// Holds jobs in flight.
    Hold,
    Idle,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) entrant: Entrant,
    pub(crate) step: Step,
    pub(crate) url: String,
    /// Jobs to do; in [`Step::Steady`] jobs a second.
    pub(crate) jobs: u64,
    /// The time for them.
    pub(crate) seconds: f64,
    pub(crate) limit: Option<u32>,
    /// The program that does it, if it is not this one.
    #[serde(skip)]
    pub(crate) program: Option<PathBuf>,
}

impl Order {
    pub(crate) fn place(&self) -> Place {
        Place { url: self.url.clone(), defaults: self.entrant.defaults, limit: self.limit, concurrency: None }
    }

    /// Does it in a process of its own.
    pub(crate) async fn spawn(&self) -> anyhow::Result<Measured> {
        let program = self.program.clone().map_or_else(std::env::current_exe, Ok)?;
        let mut child = Command::new(program)
            .arg("child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().context("the child has no standard input")?;
        input.write_all(&serde_json::to_vec(self)?).await?;
        drop(input);
        let limit = PATIENCE + Duration::from_secs_f64(self.seconds);
        let ended = tokio::time::timeout(limit, child.wait_with_output()).await.context("the child hangs")??;
        let errors = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "{:?} failed ({}): {}", self.step, ended.status, errors.trim());
        serde_json::from_slice(&ended.stdout).context("the child's answer")
    }
}

/// Reads an order, and does it.
pub(crate) async fn run() -> anyhow::Result<()> {
    let order: Order = serde_json::from_reader(std::io::stdin())?;
    let measured = match order.entrant.library {
        Library::SpecQl => obey::<contender::SpecQl>(&order).await?,
        Library::GraphileWorker => obey::<contender::GraphileWorker>(&order).await?,
        Library::RiverQueue => obey::<contender::RiverQueue>(&order).await?,
        Library::Awa => obey::<contender::Awa>(&order).await?,
        Library::Apalis => obey::<contender::Apalis>(&order).await?,
        Library::SqlxMq => obey::<contender::SqlxMq>(&order).await?,
        Library::Underway => obey::<contender::Underway>(&order).await?,
        Library::Dbos => obey::<contender::Dbos>(&order).await?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    // Without the graceful stops: they are not measured, and the database is dropped.
    std::process::exit(0)
}

async fn obey<C: Contender>(order: &Order) -> anyhow::Result<Measured> {
    let place = order.place();
    let contender = C::open(&place).await.context("connecting")?;
    match order.step {
        Step::Install => {
            contender.install().await?;
            Ok(Measured::default())
        }
        Step::Fill => fill::in_child(&contender, order, false).await,
        Step::FillCallbacks => fill::in_child(&contender, order, true).await,
        Step::Drain => drain::in_child(&contender, order, false).await,
        Step::DrainCallbacks => drain::in_child(&contender, order, true).await,
        Step::DrainSome => drain::some_in_child(&contender, order).await,
        Step::Single => single::in_child(&contender, order).await,
        Step::Latency => latency::in_child(&contender, order).await,
        Step::Steady => steady::in_child(&contender, order).await,
        Step::Produce => steady::produce(&contender, order).await,
        Step::Hold => memory::hold(&contender, order).await,
        Step::Idle => memory::idle(&contender, order).await,
    }
}
