//! A connection of one's own, with a limit on every call.
//!
//! The worker does not take its connections from the application's pool: a pool that the application has exhausted
//! must not stop heartbeats. A call that fails in any way but a plain refusal gives its connection up, so that no
//! later call meets a half-open socket or the rest of an earlier answer.

use std::time::Duration;

use sqlx::{
    ConnectOptions, FromRow, PgConnection, Postgres,
    postgres::{PgArguments, PgConnectOptions, PgRow},
    query::{Query, QueryAs},
};

use super::QueueError;

/// No connection is waited for any longer, whatever the limit of its calls: one that was asked for during an outage may never
/// come, and the next one does at once.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A connection that is opened when needed and given up when in doubt.
#[derive(Debug)]
pub struct Link {
    options: PgConnectOptions,
    limit: Duration,
    connection: Option<PgConnection>,
}

impl Link {
    /// A link to the server of `options`; `role` is seen in `pg_stat_activity`. No call may take longer than `limit`.
    #[must_use]
    pub fn new(options: &PgConnectOptions, role: &str, limit: Duration) -> Self {
        let options = options.clone().application_name(&format!("specql {role}"));
        Self { options, limit, connection: None }
    }

    /// The connection, opened where there is none.
    async fn connect(&mut self, call: &'static str) -> Result<PgConnection, QueueError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        match tokio::time::timeout(self.limit.min(CONNECT_LIMIT), self.options.connect()).await {
            Ok(connected) => connected.map_err(|source| QueueError::Connect { call, source }),
            Err(_) => {
                let source = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
                Err(QueueError::Connect { call, source })
            }
        }
    }

    /// Runs `answer` within the limit, and keeps the connection only if its state is certain.
    pub(super) async fn within_limit<T>(
        &mut self,
        call: &'static str,
        answer: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, QueueError> {
        // Out of `self` during the call: a caller that drops this future gives the connection up with it.
        let mut connection = self.connect(call).await?;
        let error = match tokio::time::timeout(self.limit, answer(&mut connection)).await {
            Ok(Ok(value)) => {
                self.connection = Some(connection);
                return Ok(value);
            }
            Ok(Err(source)) => QueueError::Call { call, source },
            Err(_) => QueueError::Timeout { call, limit: self.limit },
        };
        if !error.outcome_unknown() {
            self.connection = Some(connection);
        }
        Err(error)
    }

    /// The rows of a call.
    pub(super) async fn rows<O>(
        &mut self,
        call: &'static str,
        query: QueryAs<'_, Postgres, O, PgArguments>,
    ) -> Result<Vec<O>, QueueError>
    where
        O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.within_limit(call, async |connection| query.fetch_all(connection).await).await
    }

    /// The single value of a call.
    pub(super) async fn value<T>(
        &mut self,
        call: &'static str,
        query: QueryAs<'_, Postgres, (T,), PgArguments>,
    ) -> Result<T, QueueError>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
        T: Send + Unpin,
    {
        self.within_limit(call, async |connection| Ok(query.fetch_one(connection).await?.0)).await
    }

    /// A call whose answer does not matter.
    pub(super) async fn execute(
        &mut self,
        call: &'static str,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<(), QueueError> {
        self.within_limit(call, async |connection| query.execute(connection).await.map(|_| ())).await
    }
}
