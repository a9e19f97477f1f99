//! Renews the worker's leases, and stops its jobs when that fails.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    clock::Moment,
    contact::FENCE_AFTER,
    lease::{Lease, Stop},
    outage::HEARTBEAT,
    shared::Shared,
};
use crate::queue::Link;

/// Between two heartbeats.
const INTERVAL: Duration = Duration::from_secs(3);
/// Before the next one when one has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// At most so long the fence sleeps: timers stand still while the machine is suspended.
const LOOK: Duration = Duration::from_millis(500);

/// Renews the leases, until it is dropped.
pub(crate) async fn beat(shared: Arc<Shared>, mut link: Link) {
    let shared = &*shared;
    loop {
        let sent = Moment::now();
        let leases = shared.leases.all();
        let pks: Vec<i64> = leases.iter().map(|lease| lease.pk).collect();
        let epochs: Vec<i32> = leases.iter().map(|lease| lease.epoch).collect();
        let pause = match link.heartbeat(shared.worker, &pks, &epochs).await {
            Ok(held) => {
                shared.contact.succeeded(sent);
                shared.outage.worked(HEARTBEAT);
                renewed(shared, &leases, held, sent);
                INTERVAL
            }
            Err(error) => {
                shared.outage.failed(HEARTBEAT, &error);
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // A claim came late: its leases are to be renewed before anybody else takes them.
            () = shared.renew.notified() => {}
        }
    }
}

/// Stops the jobs whose lease is gone, and those that a user has cancelled.
fn renewed(shared: &Shared, asked: &[Arc<Lease>], held: Vec<(i64, bool)>, sent: Moment) {
    let held: HashMap<i64, bool> = held.into_iter().collect();
    for lease in asked {
        match held.get(&lease.pk) {
            Some(false) => lease.renewed(sent),
            Some(true) => lease.stop(Stop::Cancelled),
            None => {
                // Also so for a job whose end was written meanwhile; it is not known here any more then.
                lease.stop(Stop::LeaseLost);
                shared.leases.remove([(lease.pk, lease.epoch)].into_iter());
            }
        }
    }
}

/// Stops jobs when their leases can no longer be believed: one by one, or all. Runs until it is dropped.
pub(crate) async fn fence(shared: Arc<Shared>) {
    loop {
        let (next, stopped) = shared.leases.stop_stale();
        if stopped > 0 && shared.contact.is_fresh() {
            tracing::error!(jobs = stopped, "leases were not renewed for {FENCE_AFTER:?}: their jobs are stopped");
        }
        let all = shared.contact.fence_at();
        tokio::time::sleep(next.map_or(all, |next| next.min(all)).remaining().min(LOOK)).await;
        if shared.contact.is_fresh() {
            continue;
        }
        tracing::error!(
            jobs = shared.leases.all().len(),
            "no heartbeat for {FENCE_AFTER:?}: this worker's jobs are stopped and nothing is claimed until the database answers"
        );
        while !shared.contact.is_fresh() {
            // Again and again, for a claim that was under way may still bring jobs.
            shared.leases.stop_all(Stop::LeaseLost);
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        tracing::info!("leases are renewed again");
    }
}
