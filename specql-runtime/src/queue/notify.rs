//! LISTEN, re-established for ever.
//!
//! Notifications are a short cut, never a promise: whoever uses them polls as well, because a pooler may swallow LISTEN
//! and a notification may be skipped.

use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use uuid::Uuid;

/// How long silence is believed before the connection is tried.
const SILENCE: Duration = Duration::from_secs(20);
/// Limit of each call.
const LIMIT: Duration = Duration::from_secs(5);

/// What a notification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A job became ready; or the connection is new and one may have been missed.
    Ready,
    /// This job is to be cancelled.
    Cancel(Uuid),
}

/// Hears `jobs_ready` and `jobs_cancel`.
#[derive(Debug)]
pub struct Signals {
    pool: PgPool,
    listener: Option<PgListener>,
}

impl Signals {
    /// Will connect to the server of `options` when first asked.
    #[must_use]
    pub fn new(options: &PgConnectOptions) -> Self {
        // A pool of one, because that is what a listener is made from; it is nobody else's.
        let options = options.clone().application_name("specql listen");
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(LIMIT).connect_lazy_with(options);
        Self { pool, listener: None }
    }

    /// The next signal. After an error the connection is gone, and the next call makes another.
    ///
    /// # Errors
    /// When the connection broke or could not be made.
    pub async fn next(&mut self) -> Result<Signal, sqlx::Error> {
        let Some(mut listener) = self.listener.take() else {
            let mut listener = limited(PgListener::connect_with(&self.pool)).await?;
            limited(listener.listen_all(["jobs_ready", "jobs_cancel"])).await?;
            self.listener = Some(listener);
            return Ok(Signal::Ready);
        };
        loop {
            // `try_recv` and not `recv`: a lost connection must be seen, for notifications were missed then.
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    let signal = match notification.channel() {
                        "jobs_cancel" => match notification.payload().parse() {
                            Ok(id) => Signal::Cancel(id),
                            Err(_) => continue, // not one of ours: any role may NOTIFY any channel
                        },
                        _ => Signal::Ready,
                    };
                    self.listener = Some(listener);
                    return Ok(signal);
                }
                Ok(Ok(None)) => return Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into())),
                Ok(Err(error)) => return Err(error),
                // Silence: listening again is a harmless way to find out whether anybody is there.
                Err(_) => limited(listener.listen("jobs_ready")).await?,
            }
        }
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}
