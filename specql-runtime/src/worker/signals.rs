//! SIGTERM and ctrl-c.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ShutdownError, Worker};

impl Worker {
    /// Runs until SIGTERM or ctrl-c, then [shuts down](Worker::shutdown). A second signal kills the worker.
    ///
    /// # Errors
    /// Those of [`Worker::shutdown`], and [`ShutdownError::Interrupted`] after the second signal.
    pub async fn run_until_signal(self) -> Result<(), ShutdownError> {
        let mut signals = Both::new();
        signals.next().await;
        tokio::select! {
            stopped = self.shutdown() => stopped,
            () = signals.next() => Err(ShutdownError::Interrupted),
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
