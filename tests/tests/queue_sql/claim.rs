//! Claims, fencing and heartbeats.

use std::collections::HashSet;

use anyhow::Result;
use uuid::Uuid;

use crate::support::{Lease, Queue};

#[tokio::test]
async fn two_claimers_never_share_a_job() -> Result<()> {
    let queue = Queue::new().await?;
    queue
        .run("SELECT jobs.enqueue_many('pay', 'charge', (SELECT array_agg('{}'::jsonb) FROM generate_series(1, 400)))")
        .await?;
    let drain = || async {
        let worker = Uuid::new_v4();
        let mut mine = Vec::new();
        loop {
            let batch = queue.claim_as(worker, 7).await?;
            if batch.is_empty() {
                return anyhow::Ok(mine);
            }
            mine.extend(batch.into_iter().map(|lease| lease.id));
        }
    };
    let (a, b, c) = tokio::join!(drain(), drain(), drain());
    let all: Vec<Uuid> = [a?, b?, c?].concat();
    // A claimer may see nothing while the others hold the last rows; what is left is claimed once more.
    let rest = queue.claim(1000).await?;
    assert_eq!(all.len() + rest.len(), 400);
    assert_eq!(all.iter().copied().chain(rest.iter().map(|lease| lease.id)).collect::<HashSet<_>>().len(), 400);
    Ok(())
}

#[tokio::test]
async fn priority_goes_first_then_age() -> Result<()> {
    let queue = Queue::new().await?;
    let first = queue.enqueue("charge", None).await?.0;
    let second = queue.enqueue("charge", None).await?.0;
    let urgent: Uuid = queue.scalar("SELECT job_id FROM jobs.enqueue('pay', 'charge', _priority => 5)").await?;
    let order: Vec<_> = queue.claim(10).await?.into_iter().map(|lease| lease.id).collect();
    assert_eq!(order, [urgent, first, second]);
    Ok(())
}

#[tokio::test]
async fn a_worker_gets_only_operations_that_it_knows() -> Result<()> {
    let mut queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    let transfer = queue.enqueue("transfer", None).await?.0;
    queue.operations = vec![queue.scalar("SELECT code FROM jobs.tb_operation WHERE operation = 'transfer'").await?];
    let got: Vec<_> = queue.claim(10).await?.into_iter().map(|lease| lease.id).collect();
    assert_eq!(got, [transfer]);
    Ok(())
}

#[tokio::test]
async fn a_job_before_the_watermark_is_found_by_a_full_scan() -> Result<()> {
    let queue = Queue::new().await?;
    let mut connection = queue.db.pool().acquire().await?;
    let mut claim = async |full: bool| {
        sqlx::query_scalar::<_, Uuid>("SELECT id FROM jobs.claim($1, $2, 10, $3)")
            .bind(queue.worker)
            .bind(&queue.operations)
            .bind(full)
            .fetch_all(&mut *connection)
            .await
    };
    queue.enqueue("charge", None).await?;
    assert_eq!(claim(false).await?.len(), 1);
    queue.run("SELECT jobs.enqueue('pay', 'charge', _priority => 1)").await?;
    assert_eq!(claim(false).await?.len(), 0, "the scan began at the head of the index");
    assert_eq!(claim(true).await?.len(), 1);
    queue.enqueue("charge", None).await?;
    assert_eq!(claim(false).await?.len(), 1, "a later job lies behind the watermark");
    Ok(())
}

/// Dead entries that a snapshot keeps make looking at everything dear: it is done for a twentieth of the time.
#[tokio::test]
async fn where_a_full_scan_is_dear_it_begins_at_the_place_of_a_moment_ago() -> Result<()> {
    let queue = Queue::new().await?;
    for _ in 0..3 {
        queue.enqueue("charge", None).await?;
    }
    let pks: Vec<i64> =
        sqlx::query_scalar("SELECT pk_job_run FROM jobs.tb_job_ready ORDER BY 1").fetch_all(queue.db.pool()).await?;
    for (scanned_ago, expected) in [("1 second", &pks[1..]), ("3 seconds", &pks[..])] {
        let mut tx = queue.db.begin().await?;
        // The last claim came to the third job, and the one of a moment ago to the first; the last full scan took 100 ms.
        sqlx::query(
            "SELECT set_config('specql.watermark', ROW($1, 0, $3, 0, $2, 0, $2, clock_timestamp(),
                clock_timestamp() - $4::interval, '100 milliseconds')::jobs.watermark::text, false)",
        )
        .bind(queue.worker)
        .bind(pks[0])
        .bind(pks[2])
        .bind(scanned_ago)
        .execute(&mut *tx)
        .await?;
        let got: Vec<i64> = sqlx::query_scalar("SELECT pk_job_run FROM jobs.claim($1, $2, 10, true)")
            .bind(queue.worker)
            .bind(&queue.operations)
            .fetch_all(&mut *tx)
            .await?;
        assert_eq!(got, expected, "{scanned_ago}");
        tx.rollback().await?;
    }
    Ok(())
}

/// A full scan that was cut short by its limit left jobs behind: the next claim goes on there, not behind later ones.
#[tokio::test]
async fn what_a_full_scan_leaves_is_claimed_next() -> Result<()> {
    let queue = Queue::new().await?;
    let mut connection = queue.db.pool().acquire().await?;
    let mut claim = async |limit: i32, full: bool| {
        sqlx::query_scalar::<_, Uuid>("SELECT id FROM jobs.claim($1, $2, $3, $4)")
            .bind(queue.worker)
            .bind(&queue.operations)
            .bind(limit)
            .bind(full)
            .fetch_all(&mut *connection)
            .await
    };
    queue.enqueue("charge", None).await?;
    assert_eq!(claim(10, false).await?.len(), 1);
    queue.run("SELECT jobs.enqueue('pay', 'charge', _priority => 1) FROM generate_series(1, 3)").await?;
    assert_eq!(claim(2, true).await?.len(), 2);
    assert_eq!(claim(10, false).await?.len(), 1, "it lies before the job that was claimed first");
    Ok(())
}

#[tokio::test]
async fn only_a_claim_of_idempotent_operations_does_not_wait_for_the_disk() -> Result<()> {
    let queue = Queue::new().await?;
    for (operations, expected) in [(&["charge"][..], "off"), (&["transfer"], "on"), (&["charge", "transfer"], "on")] {
        for operation in operations {
            queue.enqueue(operation, None).await?;
        }
        let mut tx = queue.db.begin().await?;
        // As on a server whose default is off: the claim of a transfer must not trust it.
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
        sqlx::query("SELECT jobs.claim($1, $2, 10, true)")
            .bind(queue.worker)
            .bind(&queue.operations)
            .execute(&mut *tx)
            .await?;
        let setting: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *tx).await?;
        assert_eq!(setting, expected, "{operations:?}");
        tx.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stale_epoch_can_write_nothing() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let stale = queue.claim_one().await?;
    queue.crash().await?;
    let current = queue.claim_one().await?;
    assert_eq!((current.epoch, current.attempt), (2, 2));

    assert_eq!(queue.complete(std::slice::from_ref(&stale)).await?, ["fenced"]);
    assert_eq!(queue.fail(&stale, "permanent_reported", None).await?, "fenced");
    assert!(queue.heartbeat(std::slice::from_ref(&stale)).await?.is_empty());
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_lease WHERE epoch = 2").await?, 1);

    assert_eq!(queue.complete(&[current]).await?, ["completed"]);
    assert_eq!(queue.state(id).await?, "completed");
    Ok(())
}

#[tokio::test]
async fn another_workers_id_can_write_nothing() -> Result<()> {
    let mut queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    let lease = queue.claim_one().await?;
    queue.worker = Uuid::new_v4();
    assert_eq!(queue.complete(std::slice::from_ref(&lease)).await?, ["fenced"]);
    assert_eq!(queue.fail(&lease, "ambiguous", None).await?, "fenced");
    assert!(queue.heartbeat(&[lease]).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn one_fenced_job_does_not_hold_up_its_batch() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    queue.enqueue("charge", None).await?;
    let mut leases = queue.claim(10).await?;
    leases[0] = Lease { epoch: 9, ..leases[0].clone() };
    assert_eq!(queue.complete(&leases).await?, ["fenced", "completed"]);
    Ok(())
}

#[tokio::test]
async fn a_heartbeat_renews_and_never_waits_for_a_completion_under_way() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    queue.enqueue("charge", None).await?;
    let leases = queue.claim(10).await?;
    queue.run("UPDATE jobs.tb_job_lease SET renewed_at = now() - interval '5 seconds'").await?;

    let mut completing = queue.db.begin().await?;
    sqlx::query("SELECT FROM jobs.tb_job_lease WHERE pk_job_run = $1 FOR UPDATE")
        .bind(leases[0].pk_job_run)
        .execute(&mut *completing)
        .await?;
    let held = tokio::time::timeout(std::time::Duration::from_secs(5), queue.heartbeat(&leases)).await??;
    assert_eq!(held.len(), 2, "a job that is being completed is still held");
    completing.rollback().await?;
    let renewed: Vec<bool> = sqlx::query_scalar(
        "SELECT coalesce(renewed_at, claimed_at) > now() - interval '4 seconds' FROM jobs.tb_job_lease ORDER BY pk_job_run",
    )
    .fetch_all(queue.db.pool())
    .await?;
    assert_eq!(renewed, [false, true]);
    Ok(())
}

#[tokio::test]
async fn released_jobs_are_ready_again_without_a_counted_attempt() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    let released: i32 = sqlx::query_scalar("SELECT jobs.release($1, ARRAY[$2], ARRAY[$3])")
        .bind(queue.worker)
        .bind(lease.pk_job_run)
        .bind(lease.epoch)
        .fetch_one(queue.db.pool())
        .await?;
    assert_eq!(released, 1);
    let again = queue.claim_one().await?;
    assert_eq!((again.id, again.epoch, again.attempt), (id, 2, 1));
    assert_eq!(queue.complete(&[lease]).await?, ["fenced"]);
    assert_eq!(queue.events(id).await?, ["claimed", "released", "claimed"]);
    Ok(())
}

#[tokio::test]
async fn a_worker_is_told_what_it_has_and_does_not_name() -> Result<()> {
    let queue = Queue::new().await?;
    for _ in 0..4 {
        queue.enqueue("charge", None).await?;
    }
    let other = Uuid::from_u128(2);
    queue.claim_as(other, 1).await?;
    let (heard, unheard) = (queue.claim_one().await?, queue.claim(2).await?);
    let fences = |leases: &[Lease]| leases.iter().map(|lease| (lease.pk_job_run, lease.epoch)).collect::<Vec<_>>();
    let ask = async |epoch: i32| -> Result<Vec<(i64, i32)>> {
        Ok(sqlx::query_as("SELECT pk_job_run, epoch FROM jobs.unheard_leases($1, ARRAY[$2], ARRAY[$3])")
            .bind(queue.worker)
            .bind(heard.pk_job_run)
            .bind(epoch)
            .fetch_all(queue.db.pool())
            .await?)
    };
    assert_eq!(ask(heard.epoch).await?, fences(&unheard));
    // Of another epoch than the one that it has: it has heard nothing of that one either.
    assert_eq!(ask(heard.epoch + 1).await?, fences(&[std::slice::from_ref(&heard), &unheard[..]].concat()));
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_lease").await?, 4, "it only looks");
    Ok(())
}
