//! A connection of one's own, with a limit on every call.
//!
//! The worker does not take its connections from the application's pool: a pool that the application has exhausted
//! must not stop heartbeats. A connection is kept only after an error that speaks of the statement: so no later call
//! meets a half-open socket, the rest of an earlier answer, or a server that has become a standby.
//!
//! The server is told the limit too, a shorter one, and cancels by itself what takes longer: a statement that went on
//! behind its caller would hold the rows that the next try wants.

use std::time::Duration;

use sqlx::{
    ConnectOptions, Connection as _, FromRow, PgConnection, Postgres,
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
    /// After which the server cancels a statement.
    statement_limit: Option<Duration>,
    connection: Option<PgConnection>,
}

impl Link {
    /// A link to the server of `options`; `role` is seen in `pg_stat_activity`. No call may take longer than `limit`.
    #[must_use]
    pub fn new(options: &PgConnectOptions, role: &str, limit: Duration) -> Self {
        let options = options.clone().application_name(&format!("specql {role}"));
        Self { options, limit, statement_limit: Some(limit.mul_f64(0.8)), connection: None }
    }

    /// What it asks for goes on at the server when the limit is over. For actions of schedules, which record themselves.
    pub(crate) fn letting_statements_go_on(self) -> Self {
        Self { statement_limit: None, ..self }
    }

    /// Closes the connection, if there is one. The next call opens another.
    pub(crate) async fn close(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Ok(Err(error)) = tokio::time::timeout(self.limit, connection.close()).await
        {
            tracing::debug!("a connection was gone before it was closed: {error}");
        }
    }

    /// The connection, opened where there is none.
    async fn connect(&mut self, call: &'static str) -> Result<PgConnection, QueueError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        match tokio::time::timeout(self.limit.min(CONNECT_LIMIT), self.open()).await {
            Ok(connected) => connected.map_err(|source| QueueError::Connect { call, source }),
            Err(_) => {
                let source = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
                Err(QueueError::Connect { call, source })
            }
        }
    }

    async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        // Not an option of the connection, which a pooler may refuse. None given: whatever a role's default is, not that.
        let millis = self.statement_limit.map_or(0, |limit| limit.as_millis());
        // Neither is its isolation: behind an older snapshot, what locks and skips rows would fail instead.
        let sql = "SELECT pg_catalog.set_config('statement_timeout', $1, false),
            pg_catalog.set_config('default_transaction_isolation', 'read committed', false)";
        sqlx::query(sql).bind(millis.to_string()).execute(&mut connection).await?;
        Ok(connection)
    }

    /// Runs `answer` within the limit, and keeps the connection only if nothing speaks against it.
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
        if error.speaks_of_the_statement() {
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

    /// The single row of a call.
    pub(super) async fn one<O>(
        &mut self,
        call: &'static str,
        query: QueryAs<'_, Postgres, O, PgArguments>,
    ) -> Result<O, QueueError>
    where
        O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.within_limit(call, async |connection| query.fetch_one(connection).await).await
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
        Ok(self.one(call, query).await?.0)
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
