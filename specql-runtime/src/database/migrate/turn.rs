//! One process migrates at a time.
//!
//! The lock is that of sqlx's own `Migrator`, so that an application's `sqlx::migrate!` and this exclude each other; sqlx-cli
//! takes none. It is not waited for in `pg_advisory_lock`, as sqlx does it: who waits in a statement has a snapshot, and `CREATE INDEX
//! CONCURRENTLY` of the one who holds the lock waits for every snapshot. PostgreSQL would end that deadlock by ending one of
//! the two.

use std::time::Duration;

use crc::{CRC_32_ISO_HDLC, Crc};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{
    LockPatience, MigrateError,
    blockers::{Blocker, Session, TELL, WORTH_A_WARNING, blocker},
};
use crate::worker::jittered;

/// How often it is tried.
const INTERVAL: Duration = Duration::from_millis(200);
/// How often it is looked who has it.
const LOOK: Duration = Duration::from_secs(1);

/// The lock, held by a session.
#[derive(Debug)]
#[must_use = "it is to be given back"]
pub(super) struct Turn {
    key: i64,
}

impl Turn {
    /// Waits until nobody else migrates. The lock is the session's: it goes with the connection, however that ends.
    pub(super) async fn take(connection: &mut PgConnection, patience: LockPatience) -> Result<Self, MigrateError> {
        let database: String =
            sqlx::query_scalar("SELECT pg_catalog.current_database()").fetch_one(&mut *connection).await?;
        let key = key(&database);
        let mut wait = Wait { begun: Instant::now(), looked: None, warned: None };
        loop {
            let taken: bool = sqlx::query_scalar("SELECT pg_catalog.pg_try_advisory_lock($1)")
                .bind(key)
                .fetch_one(&mut *connection)
                .await?;
            if taken {
                return Ok(Self { key });
            }
            if wait.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                wait.look(holder(connection, key).await?, patience)?;
            }
            tokio::time::sleep(jittered(INTERVAL)).await;
        }
    }

    /// Lets others migrate. The end of the connection does it as well, but not where a pooler keeps the session.
    pub(super) async fn give_back(self, connection: &mut PgConnection) {
        let given = sqlx::query("SELECT pg_catalog.pg_advisory_unlock($1)").bind(self.key).execute(connection).await;
        if let Err(error) = given {
            tracing::debug!(%error, "the lock of migrations goes with its session");
        }
    }
}

/// A wait for the end of somebody else's migration.
#[derive(Debug)]
struct Wait {
    begun: Instant,
    looked: Option<Instant>,
    warned: Option<Instant>,
}

impl Wait {
    /// Says who has the lock, or that it is waited for no longer.
    fn look(&mut self, holder: Option<Blocker>, patience: LockPatience) -> Result<(), MigrateError> {
        self.looked = Some(Instant::now());
        let waited = self.begun.elapsed();
        // Idle for as long as no migration ever is: it only keeps the lock.
        let idle = holder.as_ref().filter(|holder| holder.state.as_deref() == Some("idle"));
        let does_nothing = idle.and_then(|holder| holder.since).is_some_and(|since| since >= patience.give_up_after);
        if waited >= patience.other_migrations || (does_nothing && waited >= patience.give_up_after) {
            return Err(MigrateError::HeldUp { holder: holder.map(Box::new), waited });
        }
        if waited >= WORTH_A_WARNING && self.warned.is_none_or(|warned| warned.elapsed() >= TELL) {
            let holder = holder.map_or_else(|| "a session that is gone".to_owned(), |holder| holder.to_string());
            tracing::warn!(?waited, "another migration of this database is waited for: its lock is held by {holder}");
            self.warned = Some(Instant::now());
        }
        Ok(())
    }
}

/// Who has the lock.
async fn holder(connection: &mut PgConnection, key: i64) -> Result<Option<Blocker>, sqlx::Error> {
    let session: Option<Session> = sqlx::query_as(HOLDER).bind(key).fetch_optional(connection).await?;
    Ok(session.map(blocker))
}

/// As sqlx makes it.
fn key(database: &str) -> i64 {
    const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    0x3d32_ad9e * i64::from(CRC.checksum(database.as_bytes()))
}

/// The session that has the lock `$1`.
const HOLDER: &str = "
    SELECT l.pid, a.application_name, a.usename::text, pg_catalog.host(a.client_addr), a.state,
        extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.state_change))::float8
    FROM pg_catalog.pg_locks AS l
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = $1
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())";

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, migrate::Migrate as _};

    use super::*;
    use crate::testing::TestDatabase;

    #[tokio::test]
    async fn the_lock_is_the_one_of_sqlxs_migrator() {
        let database = TestDatabase::from_sql("").await.unwrap();
        let mut theirs = database.pool().acquire().await.unwrap().detach();
        let mut ours = database.pool().acquire().await.unwrap().detach();
        theirs.lock().await.unwrap();
        let waiting = tokio::time::timeout(INTERVAL * 3, Turn::take(&mut ours, LockPatience::default())).await;
        assert!(waiting.is_err(), "both have it");
        let mut ours = database.pool().acquire().await.unwrap().detach();
        assert!(holder(&mut ours, key(database.name())).await.unwrap().is_some(), "nobody is named");
        theirs.close().await.unwrap();
        let turn = Turn::take(&mut ours, LockPatience::default()).await.unwrap();
        turn.give_back(&mut ours).await;
        assert!(holder(&mut ours, key(database.name())).await.unwrap().is_none(), "it was not given back");
    }
}
