//! What the parts of a worker share.

use std::sync::Arc;

use tokio::sync::{Mutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    breakers::Breakers, budget::Outputs, catalog::Catalog, contact::Contact, finisher::Finished, lease::Leases,
    outage::Outage, readiness::Readiness, runs::Runs, shares::Shares,
};
use crate::{queue::Link, runner::Settings};

/// Shared by the tasks of one worker.
pub(crate) struct Shared {
    /// Of this start of the process.
    pub(crate) worker: Uuid,
    pub(crate) catalog: Catalog,
    pub(crate) readiness: Readiness,
    pub(crate) leases: Leases,
    pub(crate) contact: Contact,
    pub(crate) outage: Outage,
    pub(crate) runs: Runs,
    pub(crate) breakers: Breakers,
    pub(crate) shares: Shares,
    pub(crate) settings: Arc<Settings>,
    /// For what is rarely said: breakers and fallbacks.
    pub(crate) control: Mutex<Link>,
    /// To the finisher. Bounded: while results cannot be written, no further jobs are run.
    pub(crate) finished: mpsc::Sender<Finished>,
    /// For outputs until they are written.
    pub(crate) outputs: Outputs,
    /// Leases are to be renewed at once.
    pub(crate) renew: Notify,
    /// There may be something to claim.
    pub(crate) wake: Notify,
    /// A callback is due that no completion will run.
    pub(crate) callback: Notify,
    /// No more claims.
    pub(crate) stopping: CancellationToken,
}
