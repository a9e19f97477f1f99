//! Hears of new jobs and of cancels.

use std::{sync::Arc, time::Duration};

use super::{jitter::jittered, lease::Stop, shared::Shared};
use crate::queue::notify::{Signal, Signals};

/// Before another attempt at a lost connection.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, mut signals: Signals) {
    loop {
        match signals.next().await {
            Ok(Signal::Ready) => shared.wake.notify_one(),
            Ok(Signal::Cancel(id)) => {
                if let Some(lease) = shared.leases.find(id) {
                    tracing::info!(job.id = %id, "cancelled by request");
                    lease.stop(Stop::Cancelled);
                }
            }
            Err(error) => {
                tracing::info!("LISTEN was lost and will be taken up again; polling goes on meanwhile: {error}");
                tokio::time::sleep(jittered(RECONNECT_AFTER)).await;
            }
        }
    }
}
