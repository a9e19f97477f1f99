//! jobs.retry: the same job again.

use anyhow::Result;
use specql_registry::{FailureClass, failure::RetryRule};
use uuid::Uuid;

use crate::support::{Queue, raised};

async fn retry(queue: &Queue, id: Uuid) -> Result<Uuid, sqlx::Error> {
    sqlx::query_scalar("SELECT jobs.retry($1)").bind(id).fetch_one(queue.db.pool()).await
}

#[tokio::test]
async fn a_failed_job_runs_again_as_itself_with_all_attempts_and_a_higher_epoch() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "ambiguous", None).await?;
    assert_eq!(retry(&queue, id).await?, id);
    assert_eq!(queue.state(id).await?, "pending");
    let again = queue.claim_one().await?;
    assert_eq!((again.id, again.epoch, again.attempt), (id, 2, 1));
    assert_eq!(queue.complete(&[lease]).await?, ["fenced"]);
    assert_eq!(queue.complete(&[again]).await?, ["completed"]);
    assert_eq!(queue.events(id).await?, ["claimed", "finished", "retried", "claimed", "finished"]);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_job_can_be_retried_and_a_completed_or_unfinished_one_cannot() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", None).await?;
    assert_eq!(raised(retry(&queue, id).await).0, "SQ409");
    queue.run("SELECT jobs.cancel(id) FROM jobs.tb_job_run").await?;
    retry(&queue, id).await?;
    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    let (code, message) = raised(retry(&queue, id).await);
    assert_eq!(code, "SQ409");
    assert!(message.contains("has not failed"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_retry_takes_its_key_again_or_names_the_job_that_has_it() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "permanent_reported", None).await?;
    let (other, _) = queue.enqueue("charge", Some("k")).await?;
    let (code, message) = raised(retry(&queue, id).await);
    assert_eq!(code, "SQ409");
    assert!(message.contains(&other.to_string()), "{message}");
    assert_eq!(queue.state(id).await?, "failed/permanent_reported", "a refused retry changes nothing");

    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    retry(&queue, id).await?;
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (id, true));
    Ok(())
}

#[tokio::test]
async fn a_retry_after_an_ambiguous_end_never_gives_the_key_back_by_failing() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "ambiguous", None).await?;
    retry(&queue, id).await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "permanent_reported", None).await?;
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (id, true));
    Ok(())
}

#[tokio::test]
async fn of_two_retries_one_wins() -> Result<()> {
    let queue = Queue::new().await?;
    let (id, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "ambiguous", None).await?;
    let (a, b) = tokio::join!(retry(&queue, id), retry(&queue, id));
    assert!(a.is_ok() != b.is_ok());
    assert_eq!(queue.claim(10).await?.len(), 1);
    Ok(())
}

/// A worker in any language may ask for it; the classes are those of which the one in Rust never does.
#[tokio::test]
async fn an_unknown_outcome_is_not_repeated_where_that_may_do_harm_whatever_the_worker_asks() -> Result<()> {
    let queue = Queue::new().await?;
    for class in FailureClass::ALL.into_iter().filter(|class| class.retry_rule() == RetryRule::IfIdempotent) {
        for (operation, expected) in [("charge", "retrying"), ("transfer", "failed")] {
            queue.enqueue(operation, None).await?;
            let lease = queue.claim_one().await?;
            assert_eq!(queue.fail(&lease, class.name(), Some(60_000)).await?, expected, "{operation} {}", class.name());
        }
    }
    Ok(())
}
