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

use crate::worker::jittered;

/// How often it is tried.
const INTERVAL: Duration = Duration::from_millis(200);
/// How often the log says that it is waited for.
const TELL: Duration = Duration::from_secs(10);

/// Waits until nobody else migrates. The lock is the session's: it goes with the connection, however that ends.
pub(super) async fn take(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let database: String =
        sqlx::query_scalar("SELECT pg_catalog.current_database()").fetch_one(&mut *connection).await?;
    let key = key(&database);
    let mut told: Option<Instant> = None;
    loop {
        let taken: bool = sqlx::query_scalar("SELECT pg_catalog.pg_try_advisory_lock($1)")
            .bind(key)
            .fetch_one(&mut *connection)
            .await?;
        if taken {
            return Ok(());
        }
        if told.is_none_or(|told| told.elapsed() >= TELL) {
            let holder: Option<i32> = sqlx::query_scalar(HOLDER).bind(key).fetch_optional(&mut *connection).await?;
            tracing::info!(holder, "another process migrates this database: waiting for it");
            told = Some(Instant::now());
        }
        tokio::time::sleep(jittered(INTERVAL)).await;
    }
}

/// As sqlx makes it.
fn key(database: &str) -> i64 {
    const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    0x3d32_ad9e * i64::from(CRC.checksum(database.as_bytes()))
}

/// The process that has the lock `$1`.
const HOLDER: &str = "
    SELECT pid FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = $1
        AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())";

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
        let waiting = tokio::time::timeout(INTERVAL * 3, take(&mut ours)).await;
        assert!(waiting.is_err(), "both have it");
        let mut ours = database.pool().acquire().await.unwrap().detach();
        let holder: Option<i32> =
            sqlx::query_scalar(HOLDER).bind(key(database.name())).fetch_optional(&mut ours).await.unwrap();
        assert!(holder.is_some(), "nobody is named");
        theirs.close().await.unwrap();
        take(&mut ours).await.unwrap();
    }
}
