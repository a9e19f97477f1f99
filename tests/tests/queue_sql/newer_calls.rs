//! A call of a key that is held, with another input: it waits for those before it, replaces one that waits, or is refused.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::{Queue, raised};

const ENQUEUE: &str =
    "SELECT job_id, deduplicated FROM jobs.enqueue_step('pay', $1, $2, 'Contact_1_sync', NULL, $3, NULL, NULL, NULL, 0,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, $4)";

/// Queues a call about contact 1 that sends this status.
async fn call(connection: &mut PgConnection, status: &str, rule: Option<&str>) -> Result<(Uuid, bool), sqlx::Error> {
    sqlx::query_as(ENQUEUE)
        .bind("charge")
        .bind(json!({"status": status}))
        .bind(rule)
        .bind(None::<Vec<String>>)
        .fetch_one(connection)
        .await
}

async fn sync(queue: &Queue, status: &str) -> Result<(Uuid, bool)> {
    Ok(call(&mut *queue.db.pool().acquire().await?, status, None).await?)
}

async fn latest(queue: &Queue, status: &str) -> Result<(Uuid, bool)> {
    Ok(call(&mut *queue.db.pool().acquire().await?, status, Some("latest")).await?)
}

/// What the jobs that ended with success have sent, in their order.
async fn sent(queue: &Queue) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT j.input_data ->> 'status' FROM jobs.tb_job_outcome AS o JOIN jobs.tb_job_run AS j USING (pk_job_run)
        WHERE o.status = 'completed' ORDER BY o.completed_at",
    )
    .fetch_all(queue.db.pool())
    .await?)
}

/// Runs what can be run, until nothing can.
async fn drain(queue: &Queue) -> Result<()> {
    loop {
        queue.run("SELECT jobs.promote()").await?;
        let leases = queue.claim(10).await?;
        if leases.is_empty() {
            return Ok(());
        }
        queue.complete(&leases).await?;
    }
}

#[tokio::test]
async fn a_newer_call_is_sent_after_the_earlier_one_has_ended() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = sync(&queue, "trial").await?;
    let running = queue.claim_one().await?;
    let (second, deduplicated) = sync(&queue, "paying").await?;
    assert!(second != first && !deduplicated);
    assert!(queue.claim(10).await?.is_empty(), "the first one still runs");
    assert_eq!(queue.state(second).await?, "pending");

    queue.complete(&[running]).await?;
    let next = queue.claim_one().await?;
    assert_eq!(next.id, second, "it starts with the end of the first one, without upkeep");
    queue.complete(&[next]).await?;
    assert_eq!(sent(&queue).await?, ["trial", "paying"]);
    assert!(!sync(&queue, "paying").await?.1, "both have ended, and the key is free");
    Ok(())
}

#[tokio::test]
async fn there_and_back_again_is_three_calls_in_their_order() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = sync(&queue, "trial").await?;
    sync(&queue, "paying").await?;
    let (third, deduplicated) = sync(&queue, "trial").await?;
    assert!(third != first && !deduplicated, "the newest call says something else");
    assert_eq!(sync(&queue, "trial").await?, (third, true));
    drain(&queue).await?;
    assert_eq!(sent(&queue).await?, ["trial", "paying", "trial"]);
    Ok(())
}

#[tokio::test]
async fn a_call_waits_for_one_that_is_to_be_repeated_and_for_one_that_fails() -> Result<()> {
    let queue = Queue::new().await?;
    sync(&queue, "trial").await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "transient_reported", Some(3_600_000)).await?;
    let (second, _) = sync(&queue, "paying").await?;
    queue.run("SELECT jobs.promote()").await?;
    assert!(queue.claim(10).await?.is_empty(), "the first one is in backoff");

    queue.pass_time().await?;
    let again = queue.claim_one().await?;
    // Ambiguous: its key is kept, but it has ended.
    queue.fail(&again, "ambiguous", None).await?;
    assert_eq!(queue.claim_one().await?.id, second);
    Ok(())
}

#[tokio::test]
async fn a_key_that_a_failed_call_has_kept_stops_the_same_call_and_no_other() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = sync(&queue, "trial").await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "ambiguous", None).await?;
    assert_eq!(sync(&queue, "trial").await?, (first, true));
    let (second, deduplicated) = sync(&queue, "paying").await?;
    assert!(!deduplicated);
    assert_eq!(queue.claim_one().await?.id, second);
    Ok(())
}

#[tokio::test]
async fn the_latest_call_replaces_those_that_wait() -> Result<()> {
    let queue = Queue::new().await?;
    let (ready, _) = latest(&queue, "trial").await?;
    let (backing_off, _) = latest(&queue, "paying").await?;
    assert_eq!(queue.state(ready).await?, "cancelled/superseded");
    let lease = queue.claim_one().await?;
    assert_eq!(lease.id, backing_off);
    queue.fail(&lease, "transient_reported", Some(60_000)).await?;

    let (running, _) = latest(&queue, "past due").await?;
    assert_eq!(queue.state(backing_off).await?, "cancelled/superseded");
    let lease = queue.claim_one().await?;
    assert_eq!(lease.id, running, "nothing runs, so it need not wait");

    let (waiting, _) = latest(&queue, "cancelled").await?;
    let (newest, _) = latest(&queue, "deleted").await?;
    assert_eq!(queue.state(running).await?, "running");
    assert_eq!(queue.state(waiting).await?, "cancelled/superseded");
    assert!(queue.claim(10).await?.is_empty());
    queue.complete(&[lease]).await?;
    assert_eq!(queue.claim_one().await?.id, newest);
    Ok(())
}

#[tokio::test]
async fn values_that_differ_each_time_do_not_make_another_call() -> Result<()> {
    let queue = Queue::new().await?;
    let mut calls = Vec::new();
    for at in ["09:00", "09:01"] {
        let call: (Uuid, bool) = sqlx::query_as(ENQUEUE)
            .bind("charge")
            .bind(json!({"status": "trial", "at": at}))
            .bind(None::<String>)
            .bind(vec!["at"])
            .fetch_one(queue.db.pool())
            .await?;
        calls.push(call);
    }
    assert_eq!(calls[1], (calls[0].0, true));
    Ok(())
}

#[tokio::test]
async fn another_input_under_a_key_that_the_caller_chose_is_refused() -> Result<()> {
    let queue = Queue::new().await?;
    let one = |input: &str| format!("SELECT job_id FROM jobs.enqueue('pay', 'refund', '{input}', 'mine')");
    let first: Uuid = sqlx::query_scalar(sqlx::AssertSqlSafe(one("{\"a\": 1}"))).fetch_one(queue.db.pool()).await?;
    let again: Uuid = sqlx::query_scalar(sqlx::AssertSqlSafe(one("{\"a\": 1}"))).fetch_one(queue.db.pool()).await?;
    assert_eq!(first, again);
    let refused = sqlx::query(sqlx::AssertSqlSafe(one("{\"a\": 2}"))).execute(queue.db.pool()).await;
    assert_eq!(raised(refused), ("SQ001".to_owned(), "conflict:idempotency_key".to_owned()));

    let many = "SELECT count(*) FROM jobs.enqueue_many('pay', 'refund', $1, $2)";
    for (inputs, keys) in [([1, 2], ["new", "new"]), ([3, 2], ["other", "mine"])] {
        let inputs: Vec<Value> = inputs.into_iter().map(|a| json!({"a": a})).collect();
        let refused = sqlx::query(many).bind(inputs).bind(keys.to_vec()).execute(queue.db.pool()).await;
        assert_eq!(raised(refused), ("SQ001".to_owned(), "conflict:idempotency_key".to_owned()));
    }
    assert_eq!(
        queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_run").await?,
        1,
        "nothing of a refused call stays"
    );
    Ok(())
}

#[tokio::test]
async fn a_cancelled_call_leaves_the_earlier_one_its_own_rule() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = call(&mut *queue.db.pool().acquire().await?, "trial", Some("once")).await?;
    let running = queue.claim_one().await?;
    let (second, _) = sync(&queue, "paying").await?;
    assert_ne!(second, first);
    sqlx::query("SELECT jobs.cancel($1)").bind(second).execute(queue.db.pool()).await?;
    queue.complete(&[running]).await?;
    assert_eq!(call(&mut *queue.db.pool().acquire().await?, "trial", Some("once")).await?, (first, true));
    Ok(())
}

#[tokio::test]
async fn a_key_that_could_not_be_given_back_is_taken_by_one_of_a_batch_only() -> Result<()> {
    const MANY: &str =
        "SELECT deduplicated FROM jobs.enqueue_many('pay', 'charge', $1, ARRAY['k', 'k']) ORDER BY ordinal";
    let queue = Queue::new().await?;
    let both = |first: i32, second: i32| vec![json!({"n": first}), json!({"n": second})];
    queue.run("SELECT jobs.enqueue('pay', 'charge', '{}', 'k')").await?;
    let running = queue.claim_one().await?;
    let mut holds = queue.db.pool().begin().await?;
    sqlx::query("SELECT FROM jobs.tb_job_key FOR UPDATE").execute(&mut *holds).await?;
    queue.complete(&[running]).await?;
    holds.rollback().await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_key").await?, 1);

    let refused = sqlx::query(MANY).bind(both(1, 2)).execute(queue.db.pool()).await;
    assert_eq!(raised(refused), ("SQ001".to_owned(), "conflict:idempotency_key".to_owned()));
    let made: Vec<bool> = sqlx::query_scalar(MANY).bind(both(1, 1)).fetch_all(queue.db.pool()).await?;
    assert_eq!(made, [false, true]);
    Ok(())
}

#[tokio::test]
async fn a_cancel_in_the_middle_lets_the_later_ones_wait_for_the_earlier_one() -> Result<()> {
    let queue = Queue::new().await?;
    sync(&queue, "trial").await?;
    let running = queue.claim_one().await?;
    let (second, _) = sync(&queue, "paying").await?;
    let (third, _) = sync(&queue, "past due").await?;
    sqlx::query("SELECT jobs.cancel($1)").bind(second).execute(queue.db.pool()).await?;
    queue.run("SELECT jobs.promote()").await?;
    assert!(queue.claim(10).await?.is_empty());
    assert_eq!(sync(&queue, "past due").await?, (third, true));

    sqlx::query("SELECT jobs.cancel($1)").bind(third).execute(queue.db.pool()).await?;
    assert!(sync(&queue, "trial").await?.1, "the running one is the newest again");
    queue.complete(&[running]).await?;
    assert!(queue.claim(10).await?.is_empty());
    assert!(!sync(&queue, "trial").await?.1);
    Ok(())
}

/// Cancels a job on a connection of its own. Returns when it waits for another transaction, or is done.
async fn cancel_meanwhile(queue: &Queue, id: Uuid) -> Result<tokio::task::JoinHandle<Result<String, sqlx::Error>>> {
    let mut connection = queue.db.pool().acquire().await?;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await?;
    let cancelled =
        tokio::spawn(
            async move { sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(&mut *connection).await },
        );
    while !cancelled.is_finished() {
        let blocked: bool = sqlx::query_scalar("SELECT cardinality(pg_blocking_pids($1)) > 0")
            .bind(pid)
            .fetch_one(queue.db.pool())
            .await?;
        if blocked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(cancelled)
}

#[tokio::test]
async fn two_cancels_at_the_same_time_leave_the_key_to_the_one_that_runs() -> Result<()> {
    // How many wait behind the running one; which of them is cancelled first, and which beside it.
    for (waiting, first, second) in [(2, 1, 0), (2, 0, 1), (3, 1, 0), (3, 0, 1), (3, 2, 0), (3, 2, 1), (3, 1, 2)] {
        let queue = Queue::new().await?;
        sync(&queue, "trial").await?;
        let running = queue.claim_one().await?;
        let mut ids = Vec::new();
        for status in &["paying", "past due", "unpaid"][..waiting] {
            ids.push(sync(&queue, status).await?.0);
        }
        let mut open = queue.db.pool().begin().await?;
        let said: String = sqlx::query_scalar("SELECT jobs.cancel($1)").bind(ids[first]).fetch_one(&mut *open).await?;
        assert_eq!(said, "cancelled");
        let beside = cancel_meanwhile(&queue, ids[second]).await?;
        open.commit().await?;
        assert_eq!(beside.await??, "cancelled");

        let (newer, deduplicated) = sync(&queue, "refunded").await?;
        assert!(!deduplicated);
        queue.run("SELECT jobs.promote()").await?;
        let together = queue.claim(10).await?;
        assert!(together.is_empty(), "{first} and {second} of {waiting}: {together:?} run beside the first call");
        queue.complete(&[running]).await?;
        drain(&queue).await?;
        assert_eq!(queue.state(newer).await?, "completed");
    }
    Ok(())
}

#[tokio::test]
async fn a_cancel_and_a_latest_call_at_the_same_time_leave_the_key_to_the_one_that_runs() -> Result<()> {
    let queue = Queue::new().await?;
    sync(&queue, "trial").await?;
    let running = queue.claim_one().await?;
    let (between, _) = sync(&queue, "paying").await?;
    sync(&queue, "past due").await?;
    let mut open = queue.db.pool().begin().await?;
    call(&mut open, "unpaid", Some("latest")).await?;
    let cancelled = cancel_meanwhile(&queue, between).await?;
    open.commit().await?;
    assert_eq!(cancelled.await??, "cancelled");

    queue.run("SELECT jobs.promote()").await?;
    assert!(queue.claim(10).await?.is_empty(), "the first call runs");
    queue.complete(&[running]).await?;
    drain(&queue).await?;
    assert_eq!(sent(&queue).await?, ["trial", "unpaid"]);
    Ok(())
}

#[tokio::test]
async fn a_retry_and_a_newer_call_at_the_same_time_do_not_run_together() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = sync(&queue, "trial").await?;
    let running = queue.claim_one().await?;
    assert_eq!(queue.fail(&running, "ambiguous", None).await?, "failed");

    let mut retry = queue.db.pool().begin().await?;
    sqlx::query("SELECT jobs.retry($1)").bind(first).execute(&mut *retry).await?;
    let pool = queue.db.pool().clone();
    let newer = tokio::spawn(async move { call(&mut *pool.acquire().await?, "paying", None).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    retry.commit().await?;
    let (second, deduplicated) = newer.await??;
    assert!(second != first && !deduplicated);

    let again = queue.claim(10).await?;
    assert_eq!(again.iter().map(|lease| lease.id).collect::<Vec<_>>(), [first], "the newer call waits for its end");
    queue.complete(&again).await?;
    drain(&queue).await?;
    assert_eq!(sent(&queue).await?, ["trial", "paying"]);
    Ok(())
}

#[tokio::test]
async fn a_call_is_no_repetition_of_one_that_was_cancelled_while_somebody_else_had_its_key() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = sync(&queue, "trial").await?;
    let mut undone = queue.db.pool().begin().await?;
    call(&mut undone, "paying", None).await?;
    let said: String = sqlx::query_scalar("SELECT jobs.cancel($1)").bind(first).fetch_one(queue.db.pool()).await?;
    assert_eq!(said, "cancelled");
    undone.rollback().await?;

    let (second, deduplicated) = sync(&queue, "trial").await?;
    assert!(second != first && !deduplicated, "nothing of the first one ever happened");
    drain(&queue).await?;
    assert_eq!(sent(&queue).await?, ["trial"]);
    Ok(())
}

#[tokio::test]
async fn who_ends_a_job_does_not_wait_for_who_queues_the_next_one() -> Result<()> {
    let queue = Queue::new().await?;
    for commits in [true, false] {
        let (first, _) = sync(&queue, "trial").await?;
        let running = queue.claim_one().await?;
        let mut tx = queue.db.begin().await?;
        let (second, _) = call(&mut tx, "paying", None).await?;
        let completed = tokio::time::timeout(Duration::from_secs(10), queue.complete(&[running])).await;
        assert_eq!(completed.context("the completion waits for the transaction")??, ["completed"]);
        assert_eq!(queue.state(first).await?, "completed");
        if commits {
            tx.commit().await?;
            // It began to wait before the first one ended, and was not to be seen then.
            assert!(queue.claim(10).await?.is_empty());
            queue.run("SELECT jobs.promote()").await?;
            let next = queue.claim_one().await?;
            assert_eq!(next.id, second);
            queue.complete(&[next]).await?;
        } else {
            tx.rollback().await?;
            // The key still names the job that has completed.
            assert!(!sync(&queue, "trial").await?.1);
            drain(&queue).await?;
        }
        assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_key").await?, 0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_clients_at_once_no_two_calls_run_together_and_the_newest_is_sent_last() -> Result<()> {
    let queue = Queue::new().await?;
    let pool = queue.db.pool();
    let clients = (0..64).map(|client| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut connection = pool.acquire().await?;
            for turn in 0..3 {
                call(&mut connection, &format!("status {}", (client + turn) % 5), None).await?;
            }
            anyhow::Ok(())
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut done = 0;
    let mut idle = 0;
    while idle < 2 {
        let all_queued = clients.iter().all(tokio::task::JoinHandle::is_finished);
        queue.run("SELECT jobs.promote()").await?;
        let leases = queue.claim(100).await?;
        assert!(leases.len() <= 1, "two calls of one contact run together");
        done += leases.len();
        idle = if leases.is_empty() && all_queued { idle + 1 } else { 0 };
        queue.complete(&leases).await?;
    }
    for client in clients {
        client.await??;
    }
    let jobs: Vec<(i64, String)> = sqlx::query_as(
        "SELECT j.pk_job_run, j.input_data ->> 'status' FROM jobs.tb_job_outcome AS o JOIN jobs.tb_job_run AS j USING (pk_job_run)
        WHERE o.status = 'completed' ORDER BY o.completed_at",
    )
    .fetch_all(pool)
    .await?;
    assert_eq!(jobs.len(), done);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_run").await?, i64::try_from(done)?);
    let repeated = jobs.windows(2).filter(|pair| pair[0].1 == pair[1].1).count();
    let statuses: HashMap<&str, usize> = jobs.iter().map(|(_, status)| (&**status, 1)).collect();
    assert_eq!(statuses.len(), 5, "{repeated} of {done} say what the one before them said");
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_key").await?, 0);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_scheduled").await?, 0);
    Ok(())
}
