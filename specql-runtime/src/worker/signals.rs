//! SIGTERM and ctrl-c.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Worker;

/// A second signal came while the worker was stopping: it was killed, and its jobs will be rescued.
#[derive(Debug, thiserror::Error)]
#[error("stopped by a second signal; running jobs will be rescued by another worker")]
pub struct Interrupted;

impl Worker {
    /// Runs until SIGTERM or ctrl-c, then [shuts down](Worker::shutdown). A second signal kills the worker.
    ///
    /// # Errors
    /// [`Interrupted`] after the second signal.
    pub async fn run_until_signal(self) -> Result<(), Interrupted> {
        let mut signals = Both::new();
        signals.next().await;
        tokio::select! {
            () = self.shutdown() => Ok(()),
            () = signals.next() => Err(Interrupted),
        }
    }
}

/// Either signal. One that cannot be listened to never comes.
struct Both {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Both {
    fn new() -> Self {
        let listen = |kind, name| {
            signal(kind)
                .inspect_err(|error| tracing::warn!("{name} cannot be listened to and will kill at once: {error}"))
                .ok()
        };
        Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM"),
            interrupt: listen(SignalKind::interrupt(), "SIGINT"),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            () = received(&mut self.terminate) => {}
            () = received(&mut self.interrupt) => {}
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
