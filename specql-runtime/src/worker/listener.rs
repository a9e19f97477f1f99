//! Hears of new jobs and of cancels.

use std::{sync::Arc, time::Duration};

use super::{jitter::jittered, lease::Stop, shared::Shared};
use crate::queue::{
    QueueError,
    notify::{Signal, Signals},
};

/// The name under which its troubles are said.
const TASK: &str = "listen";
/// Before another attempt at a lost connection.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>, mut signals: Signals) {
    loop {
        let signal = tokio::select! {
            biased;
            signal = signals.next() => signal,
            // The connection may be half open. The next call makes another one.
            () = shared.outage.recovery() => continue,
        };
        if signal.is_ok() {
            shared.outage.worked(TASK);
        }
        match signal {
            Ok(Signal::Ready) => shared.wake.notify_one(),
            Ok(Signal::Cancel(id)) => {
                if let Some(lease) = shared.leases.find(id) {
                    tracing::info!(job.id = %id, "cancelled by request");
                    lease.stop(Stop::Cancelled);
                }
            }
            Err(source) => {
                // Polling goes on meanwhile.
                shared.outage.failed(TASK, &QueueError::Call { call: "LISTEN", source });
                tokio::time::sleep(jittered(RECONNECT_AFTER)).await;
            }
        }
    }
}
