//! What a queue must be able to do here, and who takes part.

mod apalis;
mod awa;
mod dbos;
mod graphile_worker;
mod riverqueue;
mod specql;
mod sqlxmq;
mod underway;

use std::{fmt, str::FromStr};

use anyhow::bail;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};

pub(crate) use self::{
    apalis::Apalis, awa::Awa, dbos::Dbos, graphile_worker::GraphileWorker, riverqueue::RiverQueue, specql::SpecQl,
    sqlxmq::SqlxMq, underway::Underway,
};
use crate::handler::{Handler, Payload};

/// Connections of producers: each of 64 clients has one.
pub(crate) const CLIENTS: u32 = 64;

/// A queue of crates.io, with the settings that its own documentation advises.
///
/// `defaults` means: as the library comes, with nothing set that it does not ask for.
pub(crate) trait Contender: Clone + Send + Sync + Sized + 'static {
    /// What is left of a job once it is done: "nothing", "jobs", or "jobs, attempts". Keeping it costs.
    const KEEPS: &'static str;

    /// Connects as a producer.
    async fn open(place: &Place) -> anyhow::Result<Self>;

    /// Makes its tables.
    async fn install(&self) -> anyhow::Result<()>;

    /// Queues all these, in the fastest way that the library has.
    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()>;

    /// Queues one in a transaction of its own.
    fn enqueue(&self, job: Payload) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Whether a job is left that has not ended.
    async fn unfinished(&self) -> anyhow::Result<bool>;

    /// Queues jobs each of which ends with a write into its row of `public.originating`.
    async fn enqueue_with_callback(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        self.enqueue_many(jobs).await
    }

    /// The handler of such a job: it writes the row itself, unless the library can do so as it completes the job.
    async fn callback_handler(place: &Place) -> anyhow::Result<Handler> {
        Ok(Handler::writing(place.pool(CALLBACK_CONNECTIONS).await?))
    }

    /// Starts a worker. It works until its process ends, if what is returned is kept.
    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static>;
}

/// For workers that run in a task or thread of their own: one that ends is not slow but broken, and its process with it.
fn must_not_end(ended: impl std::fmt::Debug) -> ! {
    eprintln!("the worker ended: {ended:?}");
    std::process::exit(1)
}

/// Connections over which handlers write rows, where they must do it themselves.
const CALLBACK_CONNECTIONS: u32 = 16;

/// Where and how a contender runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) defaults: bool,
    /// A limit on jobs at a time over all workers.
    pub(crate) limit: Option<u32>,
    /// Jobs at a time of one worker, other than the contender's own choice; ours alone heeds it.
    pub(crate) concurrency: Option<usize>,
}

impl Place {
    pub(crate) async fn pool(&self, connections: u32) -> anyhow::Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(connections).connect(&self.url).await?)
    }

    /// For the libraries that have not come to sqlx 0.9.
    async fn older_pool(&self, connections: u32) -> anyhow::Result<sqlx08::PgPool> {
        Ok(sqlx08::postgres::PgPoolOptions::new().max_connections(connections).connect(&self.url).await?)
    }
}

/// The libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
pub(crate) enum Library {
    #[value(name = "specql")]
    SpecQl,
    #[value(name = "graphile_worker")]
    GraphileWorker,
    #[value(name = "riverqueue")]
    RiverQueue,
    #[value(name = "awa")]
    Awa,
    #[value(name = "apalis-postgres")]
    Apalis,
    #[value(name = "sqlxmq")]
    SqlxMq,
    #[value(name = "underway")]
    Underway,
    #[value(name = "dbos")]
    Dbos,
}

impl Library {
    /// What it keeps of a job that is done.
    pub(crate) const fn keeps(self) -> &'static str {
        match self {
            Self::SpecQl => SpecQl::KEEPS,
            Self::GraphileWorker => GraphileWorker::KEEPS,
            Self::RiverQueue => RiverQueue::KEEPS,
            Self::Awa => Awa::KEEPS,
            Self::Apalis => Apalis::KEEPS,
            Self::SqlxMq => SqlxMq::KEEPS,
            Self::Underway => Underway::KEEPS,
            Self::Dbos => Dbos::KEEPS,
        }
    }
}

/// A library, tuned or as it comes; of ours also the build from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Entrant {
    pub(crate) library: Library,
    pub(crate) defaults: bool,
    /// Whether it runs in the older build that `--before` names. No child needs to know, and an older one does not.
    #[serde(skip)]
    pub(crate) before: bool,
}

impl Entrant {
    /// Ours, tuned.
    pub(crate) const OURS: Self = Self::tuned(Library::SpecQl);
    /// The same from before.
    pub(crate) const BEFORE: Self = Self { before: true, ..Self::OURS };

    pub(crate) const fn tuned(library: Library) -> Self {
        Self { library, defaults: false, before: false }
    }

    /// All of this build.
    pub(crate) fn all() -> Vec<Self> {
        let libraries = <Library as clap::ValueEnum>::value_variants();
        let both = |&library| [false, true].map(|defaults| Self { defaults, ..Self::tuned(library) });
        libraries.iter().flat_map(both).collect()
    }

    /// Of this build: the one from before is neither ours nor a peer.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self.library, Library::SpecQl) && !self.before
    }

    pub(crate) const fn is_peer(self) -> bool {
        !matches!(self.library, Library::SpecQl)
    }

    /// It is given one job in so many of a drain's. Underway sorts all its pending tasks for each one that it takes
    /// (`Queue::dequeue`), so that a drain of many is slow because they are many: it is given few. So is dbos, which submits
    /// what it claimed one by one, and as it comes claims all of the queue first.
    pub(crate) const fn share(self) -> u64 {
        if matches!(self.library, Library::Underway | Library::Dbos) { 40 } else { 1 }
    }

    /// Whether the library can bound the jobs that run at a time over all workers, other than to one.
    pub(crate) const fn has_limit(self) -> bool {
        matches!(self.library, Library::SpecQl | Library::Dbos)
    }
}

impl fmt::Display for Entrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(&self.library).expect("no library is skipped");
        f.write_str(value.get_name())?;
        f.write_str(if self.before { ":before" } else { "" })?;
        f.write_str(if self.defaults { ":defaults" } else { "" })
    }
}

impl FromStr for Entrant {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let known = || Self::all().into_iter().chain([Self::BEFORE]);
        match known().find(|entrant| entrant.to_string() == text) {
            Some(entrant) => Ok(entrant),
            None => {
                let names: Vec<String> = known().map(|entrant| entrant.to_string()).collect();
                bail!("no such contender; there are {}", names.join(", "))
            }
        }
    }
}
