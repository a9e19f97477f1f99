//! Renews the worker's leases, and stops its jobs when that fails.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    contact::FENCE_AFTER,
    lease::{Lease, Stop},
    shared::Shared,
};
use crate::queue::Link;

/// Between two heartbeats.
const INTERVAL: Duration = Duration::from_secs(3);
/// Before the next one when one has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, link: Link) {
    tokio::join!(beat(&shared, link), fence(&shared));
}

async fn beat(shared: &Shared, mut link: Link) {
    loop {
        let sent = Instant::now();
        let leases = shared.leases.all();
        let pks: Vec<i64> = leases.iter().map(|lease| lease.pk).collect();
        let epochs: Vec<i32> = leases.iter().map(|lease| lease.epoch).collect();
        let pause = match link.heartbeat(shared.worker, &pks, &epochs).await {
            Ok(held) => {
                shared.contact.succeeded(sent);
                renewed(shared, &leases, held);
                INTERVAL
            }
            Err(error) => {
                tracing::warn!("a heartbeat failed and will be repeated: {}", error.describe());
                AFTER_FAILURE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Stops the jobs whose lease is gone, and those that a user has cancelled.
fn renewed(shared: &Shared, asked: &[Arc<Lease>], held: Vec<(i64, bool)>) {
    let held: HashMap<i64, bool> = held.into_iter().collect();
    for lease in asked {
        match held.get(&lease.pk) {
            Some(false) => {}
            Some(true) => lease.stop(Stop::Cancelled),
            None => {
                // Also so for a job whose end was written meanwhile; it is not known here any more then.
                lease.stop(Stop::LeaseLost);
                shared.leases.remove([(lease.pk, lease.epoch)].into_iter());
            }
        }
    }
}

/// Stops all jobs when the leases can no longer be believed.
async fn fence(shared: &Shared) {
    loop {
        tokio::time::sleep_until(shared.contact.fence_at().into()).await;
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
        tracing::info!("the database answers again");
    }
}
