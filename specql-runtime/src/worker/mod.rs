//! The worker: claims jobs, runs them, completes them, renews leases, rescues and stops.
//!
//! | module | holds |
//! |---|---|
//! | [`builder`] | what a worker is told before it starts |
//! | `catalog` | which operations of its own registry it can serve, and with what |
//! | `readiness` | which of them it serves now: those that lack nothing |
//! | `fetcher` | claims as many jobs as there is room for |
//! | `lanes` | where claimed jobs wait for a slot, and run |
//! | `executor` | one job: run it, judge the result |
//! | `attempt` | one attempt: check, plan, execute; by the operation or by its fallback |
//! | `breakers`, `slots` | what holds calls back: circuit breakers, shares of limits |
//! | `retry` | what follows a failed attempt |
//! | `finisher` | writes how jobs ended, in batches |
//! | `heartbeat`, `contact`, `lease` | leases: renewed, believed, lost |
//! | `keeper` | what any worker does for all |
//! | `scheduler` | calls the actions of schedules |
//! | `listener` | wake-ups and cancels |
//! | [`signals`] | SIGTERM and ctrl-c |
//!
//! A worker has nine connections of its own and takes none from the application's pool.

mod attempt;
mod breakers;
pub mod builder;
mod catalog;
mod contact;
mod error;
mod executor;
mod fetcher;
mod finisher;
mod heartbeat;
mod jitter;
mod keeper;
mod lanes;
mod lease;
mod listener;
mod readiness;
mod retry;
mod scheduler;
mod shared;
pub mod signals;
mod slots;
mod text;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Notify, mpsc},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use builder::WorkerBuilder;
pub use error::{ShutdownError, StartError};
pub(crate) use jitter::jittered;

use self::{
    breakers::Breakers, catalog::Catalog, contact::Contact, lanes::Lanes, lease::Leases, lease::Stop,
    readiness::Readiness, shared::Shared, slots::Slots,
};
use crate::{
    Database,
    queue::{Link, QueueError, notify::Signals},
    runner::Settings,
};

/// Limit of a claim, a completion, an upkeep call.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Limit of a heartbeat: several must fit in before the worker fences itself.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(2);
/// Limit of a schedule's action. One that takes longer goes on, and is recorded, but nobody waits for it.
const ACTION_LIMIT: Duration = Duration::from_secs(60);
/// Results that may wait to be written before no more jobs are run.
const UNWRITTEN: usize = 4_096;
/// How long stopped jobs may take to end, and results to be written, at shutdown.
const LAST_GRACE: Duration = Duration::from_secs(10);

/// A running worker.
///
/// Dropping it is like killing the process: its jobs are rescued by another worker. End it with [`Worker::shutdown`].
#[must_use = "dropping a worker kills it"]
pub struct Worker {
    shared: Arc<Shared>,
    shutdown_timeout: Duration,
    /// Claims jobs; ends by itself when the worker stops.
    fetcher: JoinSet<()>,
    /// Runs schedules; ends by itself when the worker stops.
    scheduler: JoinSet<()>,
    /// Write results, renew leases, keep house: run until they are dropped.
    keepers: JoinSet<()>,
    /// For the last call.
    link: Link,
    /// Keeps an embedded server alive.
    _database: Database,
}

impl Worker {
    /// A worker on `database`, still to be started.
    pub fn builder(database: &Database) -> WorkerBuilder {
        WorkerBuilder::new(database)
    }

    /// The id of this start of the worker, as in `jobs.v_worker`.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.shared.worker
    }

    fn spawn(
        builder: &WorkerBuilder,
        worker: Uuid,
        (catalog, readiness): (Catalog, Readiness),
        settings: Arc<Settings>,
        link: Link,
    ) -> Self {
        let options = builder.database.pool().connect_options();
        let (finished, inbox) = mpsc::channel(UNWRITTEN);
        let inbox = Arc::new(Mutex::new(inbox));
        let shared = Arc::new(Shared {
            worker,
            catalog,
            readiness,
            leases: Leases::default(),
            contact: Contact::new(),
            lanes: Lanes::new(builder.concurrency),
            breakers: Breakers::default(),
            slots: Slots::default(),
            settings,
            control: Mutex::new(Link::new(&options, "control", CALL_LIMIT)),
            finished,
            wake: Notify::new(),
            stopping: CancellationToken::new(),
        });
        let (mut fetcher, mut scheduler, mut keepers) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        for _ in 0..2 {
            let link = Link::new(&options, "finish", CALL_LIMIT);
            keepers.spawn(finisher::run(Arc::clone(&shared), Arc::clone(&inbox), link));
        }
        keepers.spawn(heartbeat::run(Arc::clone(&shared), Link::new(&options, "heartbeat", HEARTBEAT_LIMIT)));
        keepers.spawn(keeper::run(Arc::clone(&shared), Link::new(&options, "upkeep", CALL_LIMIT)));
        keepers.spawn(readiness::run(Arc::clone(&shared)));
        keepers.spawn(listener::run(Arc::clone(&shared), Signals::new(&options)));
        scheduler.spawn(scheduler::run(Arc::clone(&shared), Link::new(&options, "schedule", ACTION_LIMIT)));
        if !shared.catalog.codes().is_empty() {
            fetcher.spawn(fetcher::run(Arc::clone(&shared), Link::new(&options, "claim", CALL_LIMIT)));
        }
        Self {
            shared,
            shutdown_timeout: builder.shutdown_timeout,
            fetcher,
            scheduler,
            keepers,
            link,
            _database: builder.database.clone(),
        }
    }

    /// Stops: claims no more, waits for running jobs up to the shutdown timeout, stops the rest and gives back what
    /// may be repeated without counting an attempt. A call that may have had its effect is recorded as what it is.
    ///
    /// # Errors
    /// [`ShutdownError`], which says what is not written. The worker has stopped all the same.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        tracing::info!(worker = %self.shared.worker, "worker stops");
        self.shared.stopping.cancel();
        while self.fetcher.join_next().await.is_some() {}
        // Given up after the timeout: the server ends an action that it has begun, and records it.
        let mut scheduler = std::mem::take(&mut self.scheduler);
        let drained = async {
            while scheduler.join_next().await.is_some() {}
            self.drained().await;
        };
        if timeout(self.shutdown_timeout, drained).await.is_err() {
            tracing::warn!(
                jobs = self.shared.leases.all().len(),
                "jobs still run after {:?}; they are stopped",
                self.shutdown_timeout
            );
            self.shared.leases.stop_all(Stop::Shutdown);
            // What is left after that is in the answer.
            let _ = timeout(LAST_GRACE, self.drained()).await;
        }
        // Not before: heartbeats go on until the last result is written.
        self.keepers.shutdown().await;
        let mut unregistered = self.link.unregister_worker(self.shared.worker).await;
        if unregistered.as_ref().is_err_and(QueueError::outcome_unknown) {
            // The connection was idle since the start and may have been cut off long ago: once more, on a new one.
            unregistered = self.link.unregister_worker(self.shared.worker).await;
        }
        let mut left = self.shared.leases.all();
        if left.is_empty() {
            return unregistered.map_err(ShutdownError::Registered);
        }
        left.sort_unstable_by_key(|lease| lease.pk);
        Err(ShutdownError::Unfinished { jobs: left.iter().map(|lease| lease.id).collect() })
    }

    /// Ends when no job runs and every result is written.
    async fn drained(&self) {
        loop {
            if self.shared.lanes.is_idle() && self.shared.leases.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // After a shutdown there is nothing left to stop. Without one the lanes must not run on without heartbeats.
        self.shared.stopping.cancel();
        self.shared.leases.stop_all(Stop::LeaseLost);
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("id", &self.shared.worker).finish_non_exhaustive()
    }
}
