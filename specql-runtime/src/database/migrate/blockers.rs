//! Who stands in a migration's way. A session that waits cannot ask, so another one does, once the waiting takes long.

use std::{convert::Infallible, fmt, time::Duration};

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::Instant;

/// How often it is looked again.
const INTERVAL: Duration = Duration::from_secs(1);
/// After which a wait is worth a warning.
pub(super) const WORTH_A_WARNING: Duration = Duration::from_secs(5);
/// How often the log repeats who is waited for.
pub(super) const TELL: Duration = Duration::from_secs(10);

/// A session that holds what a migration needs, or queues for it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Its process id, for `pg_terminate_backend`; 0 for a prepared transaction.
    pub pid: i32,
    /// Its `application_name`. Like address, state and time, shown to its own role and to `pg_monitor` only.
    pub application: Option<String>,
    /// Whose session it is.
    pub role: Option<String>,
    /// The address that it is connected from. None is also one on the server's own machine.
    pub client: Option<String>,
    /// `active`, `idle in transaction`, …
    pub state: Option<String>,
    /// How long its transaction is open; where there is none, how long it is in its state.
    pub since: Option<Duration>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see `pg_prepared_xacts`)");
        }
        let application = self.application.as_deref().filter(|name| !name.is_empty()).map(|name| format!("`{name}`"));
        let role = self.role.as_deref().map(|role| format!("role `{role}`"));
        let client = self.client.as_deref().map(|client| format!("from {client}"));
        let since = self.since.map(|since| format!("since {} s", since.as_secs()));
        let known: Vec<String> = [application, role, client, self.state.clone(), since].into_iter().flatten().collect();
        write!(f, "process {}", self.pid)?;
        if known.is_empty() { Ok(()) } else { write!(f, " ({})", known.join(", ")) }
    }
}

/// The kind of lock that a migration waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// A table, or an index.
    Table(String),
    /// A row that another transaction has changed or locked; of which table, where that was seen.
    Row(Option<String>),
    /// The end of a transaction that is older, and may hold nothing.
    OlderTransaction,
    /// Something else, or it was not seen.
    #[default]
    Other,
}

impl Awaited {
    fn of(kind: Option<&str>, table: Option<&str>) -> Self {
        match (kind, table) {
            (Some("transactionid" | "tuple"), table) => Self::Row(table.map(str::to_owned)),
            (Some("virtualxid"), _) => Self::OlderTransaction,
            (_, Some(table)) => Self::Table(table.to_owned()),
            (_, None) => Self::Other,
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(table) => write!(f, "a lock on {table}"),
            Self::Row(Some(table)) => write!(f, "a lock on a row of {table}"),
            Self::Row(None) => f.write_str("a lock on a row"),
            Self::OlderTransaction => f.write_str("the end of an older transaction"),
            Self::Other => f.write_str("a lock"),
        }
    }
}

/// What a migration waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The relation, where it is one.
    pub(super) table: Option<String>,
    /// How it wants it.
    pub(super) lock: Awaited,
    pub(super) blockers: Vec<Blocker>,
}

/// Watches one session.
#[derive(Debug)]
pub(super) struct Watch {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    pid: i32,
    /// What was seen last.
    pub(super) seen: Option<Waiting>,
    /// When somebody in the way was first seen.
    since: Option<Instant>,
    /// When that was last warned of.
    warned: Option<Instant>,
}

impl Watch {
    pub(super) fn new(options: &PgConnectOptions, pid: i32) -> Self {
        let options = options.clone().application_name("specql migrate (watch)");
        Self { options, connection: None, pid, seen: None, since: None, warned: None }
    }

    /// Forgets what an earlier migration waited for.
    pub(super) fn begin(&mut self) {
        (self.seen, self.since, self.warned) = (None, None, None);
    }

    /// Does `work`, which uses the watched session; from `after` on with an eye on whom it waits for.
    pub(super) async fn over<T>(&mut self, after: Duration, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.look_again_and_again(after) => match never {},
        }
    }

    async fn look_again_and_again(&mut self, after: Duration) -> Infallible {
        tokio::time::sleep(after.min(INTERVAL)).await;
        loop {
            match self.look().await {
                Ok(Some(waiting)) => self.tell(waiting),
                Ok(None) => {}
                // Not worth a migration: who is in the way is then not said.
                Err(error) => tracing::debug!(%error, "who holds a migration up cannot be seen"),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn tell(&mut self, waiting: Waiting) {
        let blockers: Vec<String> = waiting.blockers.iter().map(ToString::to_string).collect();
        let (table, lock, blockers) = (waiting.table.as_deref(), &waiting.lock, blockers.join(", "));
        match self.since {
            None => {
                tracing::info!(table, %lock, "a migration waits for {blockers}");
                self.since = Some(Instant::now());
            }
            Some(since) => {
                if since.elapsed() >= WORTH_A_WARNING && self.warned.is_none_or(|warned| warned.elapsed() >= TELL) {
                    tracing::warn!(table, %lock, "a migration still waits for {blockers}");
                    self.warned = Some(Instant::now());
                }
            }
        }
        self.seen = Some(waiting);
    }

    /// What the session waits for now.
    async fn look(&mut self) -> Result<Option<Waiting>, sqlx::Error> {
        // Out of `self` meanwhile: this may be cancelled in the middle of an answer.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let rows: Vec<Row> = sqlx::query_as(LOOK).bind(self.pid).fetch_all(&mut connection).await?;
        self.connection = Some(connection);
        let Some(first) = rows.first() else { return Ok(None) };
        let table = first.0.clone();
        let lock = Awaited::of(first.1.as_deref(), table.as_deref());
        let session =
            |(_, _, pid, application, role, client, state, seconds)| (pid, application, role, client, state, seconds);
        let blockers = rows.into_iter().map(session).map(blocker).collect();
        Ok(Some(Waiting { table, lock, blockers }))
    }
}

/// Table, kind of lock, and who is in the way.
type Row =
    (Option<String>, Option<String>, i32, Option<String>, Option<String>, Option<String>, Option<String>, Option<f64>);

/// Process, application, role, address, state, seconds.
pub(super) type Session = (i32, Option<String>, Option<String>, Option<String>, Option<String>, Option<f64>);

pub(super) fn blocker((pid, application, role, client, state, seconds): Session) -> Blocker {
    let since = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Blocker { pid, application, role, client, state, since }
}

/// One row for each session in the way of process `$1`. Who waits for a row waits for the transaction that has it, and holds a lock on
/// the row's place meanwhile, which says what table it is of.
const LOOK: &str = "
    SELECT n.nspname || '.' || c.relname, l.locktype, b.pid, a.application_name, a.usename::text, pg_catalog.host(a.client_addr), a.state,
        extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.state_change))::float8
    FROM pg_catalog.pg_locks AS l
    CROSS JOIN LATERAL (SELECT DISTINCT p.pid FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(l.pid)) AS p(pid)) AS b
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid
    LEFT JOIN pg_catalog.pg_locks AS t ON l.locktype = 'transactionid' AND t.pid = l.pid AND t.locktype = 'tuple' AND t.granted
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = coalesce(l.relation, t.relation)
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.pid = $1 AND NOT l.granted
    ORDER BY a.xact_start, b.pid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_seen_of_a_session_is_left_out() {
        let mut blocker = Blocker { pid: 7, application: None, role: None, client: None, state: None, since: None };
        assert_eq!(blocker.to_string(), "process 7");
        blocker.role = Some("owner".to_owned());
        assert_eq!(blocker.to_string(), "process 7 (role `owner`)");
        blocker.pid = 0;
        assert_eq!(blocker.to_string(), "a prepared transaction (see `pg_prepared_xacts`)");
    }
}
