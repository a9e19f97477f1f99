//! The worker: claims jobs, runs them, completes them, renews leases, rescues and stops.
//!
//! | module | holds |
//! |---|---|
//! | [`builder`] | what a worker is told before it starts |
//! | `catalog` | which operations of its own registry it can serve, and with what |
//! | `readiness` | which of them it serves now: those that lack nothing |
//! | `fetcher` | claims as many jobs as there is room for |
//! | `runs` | where claimed jobs wait for a slot, and run |
//! | `executor` | one job: run it, judge the result |
//! | `attempt` | one attempt: check, plan, execute; by the operation or by its fallback |
//! | `breakers`, `shares` | what holds calls back: circuit breakers, shares of limits |
//! | `retry` | what follows a failed attempt |
//! | `finisher` | writes how jobs ended, in batches |
//! | `budget` | bounds what is in memory, in bytes |
//! | `heartbeat`, `contact`, `clock`, `lease` | leases: renewed, believed, lost |
//! | `keeper` | what any worker does for all |
//! | `scheduler`, `scheduled_tenants`, `hands` | calls the actions of schedules |
//! | `listener` | wake-ups and cancels |
//! | `outage` | what is said while the database does not answer |
//! | `supervise` | begins a task again that panicked |
//! | [`signals`] | SIGTERM and ctrl-c |
//!
//! A worker has eleven connections of its own, and one more while `jobs.maintain` runs or where a rescue takes long, and up to three more
//! while actions of schedules take long; it takes none from the application's pool.

mod attempt;
mod breakers;
mod budget;
pub mod builder;
mod catalog;
mod clock;
mod contact;
mod error;
mod executor;
mod fetcher;
mod finisher;
mod hands;
mod heartbeat;
mod jitter;
mod keeper;
mod lease;
mod listener;
mod outage;
mod readiness;
mod retry;
mod runs;
mod scheduled_tenants;
mod scheduler;
mod shared;
mod shares;
pub mod signals;
mod supervise;
mod text;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Mutex, Notify, mpsc},
    task::JoinSet,
    time::{timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use builder::WorkerBuilder;
pub use error::{ShutdownError, StartError};
pub(crate) use jitter::jittered;
pub(crate) use supervise::words;

use self::{
    breakers::Breakers, budget::Outputs, catalog::Catalog, clock::Moment, contact::Contact, hands::Hand, lease::Leases,
    lease::Stop, outage::Outage, readiness::Readiness, runs::Runs, shared::Shared, shares::Shares,
    supervise::supervised,
};
use crate::{
    Database,
    queue::{Link, QueueError, notify::Signals},
    runner::Settings,
};

/// Limit of a completion, an upkeep call.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Limit of a claim: of a lease that comes later not much is left, and others wait behind a connection that has died.
const CLAIM_LIMIT: Duration = Duration::from_secs(5);
/// Limit of a look for lost jobs, before another connection is asked.
const RESCUE_LIMIT: Duration = Duration::from_secs(2);
/// Limit of a heartbeat: several must fit in before the worker fences itself.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(2);
/// Limit of a schedule's action. One that takes longer goes on, and is recorded, but nobody waits for it.
const ACTION_LIMIT: Duration = Duration::from_secs(60);
/// Limit of a callback that a completion had no time for.
const CALLBACK_LIMIT: Duration = Duration::from_secs(60);
/// Limit of `jobs.maintain`, which may copy old jobs.
const MAINTAIN_LIMIT: Duration = Duration::from_secs(600);
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
            contact: Contact::at(Moment::now()),
            outage: Outage::new(),
            runs: Runs::new(builder.concurrency, builder.memory),
            breakers: Breakers::default(),
            shares: Shares::default(),
            settings,
            control: Mutex::new(link),
            finished,
            outputs: Outputs::new(builder.memory),
            renew: Notify::new(),
            wake: Notify::new(),
            callback: Notify::new(),
            stopping: CancellationToken::new(),
        });
        let (mut fetcher, mut scheduler, mut keepers) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let link_to = {
            let options = options.clone();
            move |role, limit| Link::new(&options, role, limit)
        };
        // Each begins anew, with a connection of its own, where it panics.
        for _ in 0..2 {
            let (all, link_to, inbox) = (Arc::clone(&shared), link_to.clone(), Arc::clone(&inbox));
            let task = move || finisher::run(Arc::clone(&all), Arc::clone(&inbox), link_to("finish", CALL_LIMIT));
            keepers.spawn(supervised("finish", shared.stopping.clone(), task));
        }
        let (all, to) = (Arc::clone(&shared), link_to.clone());
        let task = move || heartbeat::beat(Arc::clone(&all), to("heartbeat", HEARTBEAT_LIMIT));
        keepers.spawn(supervised("heartbeat", shared.stopping.clone(), task));
        let all = Arc::clone(&shared);
        keepers.spawn(supervised("fence", shared.stopping.clone(), move || heartbeat::fence(Arc::clone(&all))));
        let all = Arc::clone(&shared);
        keepers.spawn(supervised("trim", shared.stopping.clone(), move || keeper::trim(Arc::clone(&all))));
        let (all, to) = (Arc::clone(&shared), link_to.clone());
        let task = move || keeper::rescue(Arc::clone(&all), to("rescue", RESCUE_LIMIT), to("rescue", CALL_LIMIT));
        keepers.spawn(supervised("rescue", shared.stopping.clone(), task));
        let (all, to) = (Arc::clone(&shared), link_to.clone());
        let task = move || keeper::promote(Arc::clone(&all), to("promote", CALL_LIMIT));
        keepers.spawn(supervised("promote", shared.stopping.clone(), task));
        let (all, to) = (Arc::clone(&shared), link_to.clone());
        let task = move || keeper::arrange(Arc::clone(&all), to("arrange", MAINTAIN_LIMIT));
        keepers.spawn(supervised("arrange", shared.stopping.clone(), task));
        let (all, to) = (Arc::clone(&shared), link_to.clone());
        let task = move || keeper::run_callbacks(Arc::clone(&all), to("callbacks", CALLBACK_LIMIT));
        keepers.spawn(supervised("callbacks", shared.stopping.clone(), task));
        let (all, to) = (Arc::clone(&shared), link_to.clone());
        let task = move || keeper::maintain(Arc::clone(&all), to("maintain", MAINTAIN_LIMIT));
        keepers.spawn(supervised("maintain", shared.stopping.clone(), task));
        let all = Arc::clone(&shared);
        keepers.spawn(supervised("readiness", shared.stopping.clone(), move || readiness::run(Arc::clone(&all))));
        let all = Arc::clone(&shared);
        let task = move || listener::run(Arc::clone(&all), Signals::new(&options));
        keepers.spawn(supervised("listen", shared.stopping.clone(), task));
        let known = Arc::default();
        for number in 0..hands::HANDS {
            let (all, to, known) = (Arc::clone(&shared), link_to.clone(), Arc::clone(&known));
            let task = move || {
                let link = to("schedule", ACTION_LIMIT).letting_statements_go_on();
                scheduler::run(Arc::clone(&all), link, Hand::new(&known, worker, number))
            };
            scheduler.spawn(supervised("schedule", shared.stopping.clone(), task));
        }
        if !shared.catalog.codes().is_empty() {
            let all = Arc::clone(&shared);
            let task = move || fetcher::run(Arc::clone(&all), link_to("claim", CLAIM_LIMIT));
            fetcher.spawn(supervised("claim", shared.stopping.clone(), task));
        }
        Self {
            shared,
            shutdown_timeout: builder.shutdown_timeout,
            fetcher,
            scheduler,
            keepers,
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
        let until = Instant::now() + self.shutdown_timeout;
        // It ends by itself, unless the database takes nothing back. A claim that is under way is waited for: its jobs would
        // count as crashed.
        let mut fetcher = std::mem::take(&mut self.fetcher);
        let ended = async { while fetcher.join_next().await.is_some() {} };
        if timeout(self.shutdown_timeout.max(CALL_LIMIT), ended).await.is_err() {
            tracing::warn!("claimed jobs could not be given back in time; they will be rescued");
        }
        fetcher.shutdown().await;
        // Given up after the timeout: the server ends an action that it has begun, and records it.
        let mut scheduler = std::mem::take(&mut self.scheduler);
        let drained = async {
            while scheduler.join_next().await.is_some() {}
            self.drained().await;
        };
        if timeout_at(until.into(), drained).await.is_err() {
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
        let unregister = async {
            let mut link = self.shared.control.lock().await;
            let unregistered = link.unregister_worker(self.shared.worker).await;
            if !unregistered.as_ref().is_err_and(QueueError::outcome_unknown) {
                return unregistered;
            }
            // The connection is rarely used and may have been cut off long ago: once more, on a new one.
            link.unregister_worker(self.shared.worker).await
        };
        let unregistered = timeout(LAST_GRACE, unregister)
            .await
            .unwrap_or(Err(QueueError::Timeout { call: "jobs.unregister_worker", limit: LAST_GRACE }));
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
            if self.shared.runs.is_idle() && self.shared.leases.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // After a shutdown there is nothing left to stop. Without one the slots must not run on without heartbeats.
        self.shared.stopping.cancel();
        self.shared.leases.stop_all(Stop::LeaseLost);
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("id", &self.shared.worker).finish_non_exhaustive()
    }
}
