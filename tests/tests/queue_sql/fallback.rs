//! A fallback's call under its own limit, beside claims of the same worker.

use std::time::Duration;

use anyhow::Result;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::Queue;

/// `mail.send` falls back to `backup.send`, which may run once at a time.
const SERVICES: &str = "SELECT jobs.register_operations('[
    {\"service\": \"mail\", \"operation\": \"send\", \"timeout_seconds\": 30, \"max_attempts\": 3, \"fallback\": true},
    {\"service\": \"backup\", \"operation\": \"send\", \"timeout_seconds\": 30, \"max_attempts\": 3, \"concurrency\": 1}]')";

/// A worker that has a job of `mail` and a share of `backup`'s limit that is not in use; a job of `backup` waits.
struct Mailing {
    queue: Queue,
    worker: Uuid,
    backup: i32,
    limit: i32,
    lease: (i64, i32),
}

async fn mailing() -> Result<Mailing> {
    let queue = Queue::new().await?;
    queue.run(SERVICES).await?;
    let worker = Uuid::new_v4();
    let code = async |service: &str| -> Result<i32> {
        let sql = "SELECT code FROM jobs.tb_operation WHERE service_name = $1";
        Ok(sqlx::query_scalar(sql).bind(service).fetch_one(queue.db.pool()).await?)
    };
    let (mail, backup) = (code("mail").await?, code("backup").await?);
    let limit = queue.scalar("SELECT code FROM jobs.tb_limit").await?;
    queue.run("SELECT jobs.enqueue('backup', 'send'); SELECT jobs.enqueue('mail', 'send')").await?;
    let claim = async |operation: i32| -> Result<(i64, i32)> {
        Ok(sqlx::query_as("SELECT pk_job_run, epoch FROM jobs.claim($1, ARRAY[$2], 1, true)")
            .bind(worker)
            .bind(operation)
            .fetch_one(queue.db.pool())
            .await?)
    };
    let (pk, epoch) = claim(backup).await?;
    sqlx::query("SELECT jobs.complete($1, ARRAY[$2], ARRAY[$3], NULL, NULL)")
        .bind(worker)
        .bind(pk)
        .bind(epoch)
        .execute(queue.db.pool())
        .await?;
    let lease = claim(mail).await?;
    queue.run("SELECT jobs.enqueue('backup', 'send')").await?;
    Ok(Mailing { queue, worker, backup, limit, lease })
}

impl Mailing {
    async fn bind(&self) -> Result<String> {
        Ok(sqlx::query_scalar("SELECT jobs.bind($1, $2, $3, $4)")
            .bind(self.worker)
            .bind(self.lease.0)
            .bind(self.lease.1)
            .bind(self.backup)
            .fetch_one(self.queue.db.pool())
            .await?)
    }

    /// A claim for which the worker says that it runs none.
    async fn claim(&self, connection: &mut PgConnection) -> Result<usize> {
        Ok(sqlx::query("SELECT jobs.claim($1, ARRAY[$2], 1, true, ARRAY[$3], ARRAY[0])")
            .bind(self.worker)
            .bind(self.backup)
            .bind(self.limit)
            .fetch_all(connection)
            .await?
            .len())
    }

    async fn running(&self) -> Result<i64> {
        self.queue.scalar("SELECT running FROM jobs.v_limit").await
    }
}

#[tokio::test]
async fn a_claim_and_a_fallback_do_not_take_the_same_slot() -> Result<()> {
    let mailing = mailing().await?;
    let mut claiming = mailing.queue.db.begin().await?;
    assert_eq!(mailing.claim(&mut claiming).await?, 1);
    let (bound, ()) = tokio::join!(mailing.bind(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        claiming.commit().await.expect("the claim is committed");
    });
    assert_eq!(bound?, "no_room");
    assert_eq!(mailing.running().await?, 1);
    Ok(())
}

/// The worker counts its jobs, sends the claim, and a fallback takes a slot before it arrives.
#[tokio::test]
async fn a_claim_that_was_counted_for_before_a_fallback_took_the_slot_gets_none() -> Result<()> {
    let mailing = mailing().await?;
    assert_eq!(mailing.bind().await?, "bound");
    let mut session = mailing.queue.db.pool().acquire().await?;
    assert_eq!(mailing.claim(&mut session).await?, 0);
    assert_eq!(mailing.running().await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_fallback_waits_for_a_claim_that_takes_nothing_and_not_long_for_one_that_does_not_end() -> Result<()> {
    let mailing = mailing().await?;
    let mut claiming = mailing.queue.db.begin().await?;
    assert_eq!(mailing.claim(&mut claiming).await?, 1);
    let bound = tokio::time::timeout(Duration::from_secs(20), mailing.bind()).await??;
    assert_eq!(bound, "no_room");
    let (bound, ()) = tokio::join!(mailing.bind(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        claiming.rollback().await.expect("the claim is undone");
    });
    assert_eq!(bound?, "bound");
    Ok(())
}

#[tokio::test]
async fn a_job_that_only_its_fallback_may_repeat_takes_a_slot_when_the_fallback_begins_and_not_before() -> Result<()> {
    let mut mailing = mailing().await?;
    assert_eq!(mailing.bind().await?, "bound");
    sqlx::query(
        "SELECT jobs.fail($1, ARRAY[$2], ARRAY[$3], '{transient_reported}', '{busy}', '{0}', '{true}', NULL, true, '{false}')",
    )
    .bind(mailing.worker)
    .bind(mailing.lease.0)
    .bind(mailing.lease.1)
    .execute(mailing.queue.db.pool())
    .await?;
    mailing.queue.run("SELECT jobs.promote()").await?;
    let (pk, epoch, bound): (i64, i32, i32) = sqlx::query_as(
        "SELECT c.pk_job_run, c.epoch, c.bound_code FROM jobs.claim($1,
            ARRAY(SELECT o.code FROM jobs.tb_operation AS o WHERE o.service_name = 'mail'), 1, true) AS c",
    )
    .bind(mailing.worker)
    .fetch_one(mailing.queue.db.pool())
    .await?;
    assert_eq!(bound, mailing.backup, "the worker is told which fallback may have done it");
    let used = "SELECT running FROM jobs.v_limit";
    assert_eq!(mailing.queue.scalar::<i64>(used).await?, 0);

    // Another job of the limit has the only slot meanwhile.
    let mut session = mailing.queue.db.pool().acquire().await?;
    assert_eq!(mailing.claim(&mut session).await?, 1);
    mailing.lease = (pk, epoch);
    assert_eq!(mailing.bind().await?, "no_room");
    assert_eq!(mailing.queue.scalar::<i64>(used).await?, 1);
    sqlx::query("DELETE FROM jobs.tb_job_lease WHERE pk_job_run <> $1").bind(pk).execute(&mut *session).await?;
    assert_eq!(mailing.bind().await?, "bound");
    assert_eq!(mailing.queue.scalar::<i64>(used).await?, 1);
    Ok(())
}
