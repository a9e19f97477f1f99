//! Cancelling in every state.

use anyhow::Result;
use uuid::Uuid;

use crate::support::Queue;

async fn cancel(queue: &Queue, id: Uuid) -> Result<String> {
    Ok(sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(queue.db.pool()).await?)
}

#[tokio::test]
async fn a_waiting_job_goes_at_once_and_gives_its_key_back() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    assert_eq!(cancel(&queue, id).await?, "cancelled");
    assert_eq!(queue.state(id).await?, "cancelled/cancelled");
    assert!(queue.claim(1).await?.is_empty());
    assert!(!queue.enqueue("charge", Some("k")).await?.1);
    assert_eq!(cancel(&queue, id).await?, "finished");
    Ok(())
}

#[tokio::test]
async fn a_delayed_job_goes_at_once() -> Result<()> {
    let queue = Queue::new().await?;
    let id =
        queue.scalar("SELECT job_id FROM jobs.enqueue('pay', 'charge', _run_at => now() + interval '1 day')").await?;
    assert_eq!(cancel(&queue, id).await?, "cancelled");
    assert!(queue.scalar::<Option<String>>("SELECT jobs.next_due()::text").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_job_between_attempts_goes_at_once_but_keeps_its_key_if_the_call_may_have_happened() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "ambiguous", Some(60_000)).await?;
    assert_eq!(cancel(&queue, id).await?, "cancelled");
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (id, true));
    Ok(())
}

#[tokio::test]
async fn a_running_job_is_asked_and_ends_when_its_worker_says_so() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    assert_eq!(cancel(&queue, id).await?, "cancelling");
    assert_eq!(cancel(&queue, id).await?, "cancelling");
    assert_eq!(queue.state(id).await?, "running");
    assert_eq!(queue.heartbeat(std::slice::from_ref(&lease)).await?, [(lease.pk_job_run, true)]);
    assert_eq!(queue.fail(&lease, "cancelled", None).await?, "cancelled");
    assert_eq!(queue.state(id).await?, "cancelled/cancelled");
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (id, true), "the call may have happened");
    Ok(())
}

#[tokio::test]
async fn a_running_job_that_was_not_called_yet_gives_its_key_back() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    cancel(&queue, id).await?;
    assert_eq!(queue.fail_counted(&lease, "cancelled", None, false).await?, "cancelled");
    assert!(!queue.enqueue("charge", Some("k")).await?.1);
    Ok(())
}

#[tokio::test]
async fn a_cancel_that_comes_too_late_changes_nothing() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    let lease = queue.claim_one().await?;
    cancel(&queue, id).await?;
    assert_eq!(queue.complete(&[lease]).await?, ["completed"]);
    assert_eq!(queue.order(1).await?.0, "paid");
    assert_eq!(cancel(&queue, id).await?, "finished");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_job_is_not_retried_rescued_or_given_back() -> Result<()> {
    let queue = Queue::new().await?;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(queue.enqueue("charge", None).await?.0);
    }
    let leases = queue.claim(3).await?;
    for id in &ids {
        cancel(&queue, *id).await?;
    }
    assert_eq!(queue.fail(&leases[0], "transient_reported", Some(0)).await?, "cancelled");
    sqlx::query("SELECT jobs.release($1, ARRAY[$2], ARRAY[$3])")
        .bind(queue.worker)
        .bind(leases[1].pk_job_run)
        .bind(leases[1].epoch)
        .execute(queue.db.pool())
        .await?;
    queue.crash().await?;
    for id in ids {
        assert!(queue.state(id).await?.starts_with("cancelled/"));
    }
    Ok(())
}

#[tokio::test]
async fn a_cancelled_job_does_not_run_on_failure() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    let lease = queue.claim_one().await?;
    cancel(&queue, id).await?;
    queue.fail(&lease, "cancelled", None).await?;
    assert_eq!(queue.order(1).await?.0, "new");
    Ok(())
}

#[tokio::test]
async fn a_job_whose_call_is_over_cannot_be_cancelled() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    queue.run("UPDATE shop.tb_order SET broken = true").await?;
    let leases = queue.claim(1).await?;
    queue.complete(&leases).await?;
    assert_eq!(cancel(&queue, id).await?, "finished");
    assert_eq!(cancel(&queue, Uuid::new_v4()).await?, "unknown");
    Ok(())
}

#[tokio::test]
async fn a_cancel_meets_a_claim_under_way() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", None).await?;
    let mut claiming = queue.db.begin().await?;
    sqlx::query("SELECT jobs.claim($1, $2, 10, true)")
        .bind(queue.worker)
        .bind(&queue.operations)
        .execute(&mut *claiming)
        .await?;
    let (answer, ()) = tokio::join!(cancel(&queue, id), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        claiming.commit().await.expect("the claim commits");
    });
    assert_eq!(answer?, "cancelling");
    Ok(())
}
