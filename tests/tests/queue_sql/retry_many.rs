//! jobs.retry_many: failed jobs again, by what they have in common.

use anyhow::Result;
use specql_runtime::queue::inspect::{self, Failed};
use uuid::Uuid;

use crate::support::Queue;

/// Six jobs that failed: charges and transfers, after a time-out and for good, for two tenants.
async fn failures(queue: &Queue) -> Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for (operation, class, tenant) in [
        ("charge", "timeout", 1),
        ("charge", "permanent_reported", 2),
        ("charge", "timeout", 2),
        ("transfer", "timeout", 1),
        ("transfer", "ambiguous", 2),
        ("charge", "timeout", 1),
    ] {
        let (id,): (Uuid,) = sqlx::query_as(
            "SELECT job_id FROM jobs.enqueue('pay', $1, '{}', 'key ' || $2, _tenant_id => lpad($2::text, 32, '0')::uuid)",
        )
        .bind(operation)
        .bind(format!("{tenant}{}", ids.len()))
        .fetch_one(queue.db.pool())
        .await?;
        let lease = queue.claim_one().await?;
        assert_eq!(queue.fail(&lease, class, None).await?, "failed");
        ids.push(id);
    }
    Ok(ids)
}

/// Which of these wait again.
async fn again(queue: &Queue, ids: &[Uuid]) -> Result<Vec<usize>> {
    let mut out = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        if queue.state(*id).await? == "pending" {
            out.push(index);
        }
    }
    Ok(out)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn failed_jobs_are_queued_again_by_what_they_have_in_common() -> Result<()> {
    let tenant = Some(Uuid::from_u128(0x12));
    for (failed, expected) in [
        (Failed::default(), vec![0, 1, 2, 3, 4, 5]),
        (Failed { service: some("pay"), ..Failed::default() }, vec![0, 1, 2, 3, 4, 5]),
        (Failed { service: some("mail"), ..Failed::default() }, vec![]),
        (Failed { operation: some("charge"), ..Failed::default() }, vec![0, 1, 2, 5]),
        (Failed { class: some("timeout"), ..Failed::default() }, vec![0, 2, 3, 5]),
        (Failed { class: some("timeout"), operation: some("charge"), ..Failed::default() }, vec![0, 2, 5]),
        (Failed { tenant: Some(Uuid::from_u128(0x22)), ..Failed::default() }, vec![2]),
        (Failed { tenant, ..Failed::default() }, vec![]),
        (Failed { since: some("yesterday"), until: some("tomorrow"), ..Failed::default() }, vec![0, 1, 2, 3, 4, 5]),
        (Failed { since: some("tomorrow"), ..Failed::default() }, vec![]),
        (Failed { until: some("yesterday"), ..Failed::default() }, vec![]),
    ] {
        let queue = Queue::new().await?;
        let ids = failures(&queue).await?;
        let done = inspect::retry_many(queue.db.pool(), &failed, None).await?;
        assert_eq!(again(&queue, &ids).await?, expected, "{failed:?}");
        assert_eq!((done.retried, done.refused), (u64::try_from(expected.len())?, 0), "{failed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_limit_takes_the_oldest_and_the_next_batch_goes_on_behind_them() -> Result<()> {
    let queue = Queue::new().await?;
    let ids = failures(&queue).await?;
    let batch = async |after: Option<Uuid>| -> Result<(i32, i32, Option<Uuid>)> {
        Ok(sqlx::query_as("SELECT retried, refused, last_id FROM jobs.retry_many(_limit => 4, _after => $1)")
            .bind(after)
            .fetch_one(queue.db.pool())
            .await?)
    };
    assert_eq!(batch(None).await?, (4, 0, Some(ids[3])));
    assert_eq!(again(&queue, &ids).await?, [0, 1, 2, 3]);
    assert_eq!(batch(Some(ids[3])).await?, (2, 0, None));
    assert_eq!(batch(None).await?, (0, 0, None));
    let few = Queue::new().await?;
    failures(&few).await?;
    let done = inspect::retry_many(few.db.pool(), &Failed::default(), Some(2)).await?;
    assert_eq!((done.retried, done.refused), (2, 0));
    Ok(())
}

#[tokio::test]
async fn a_job_whose_key_is_taken_is_counted_and_does_not_hold_up_the_others() -> Result<()> {
    let queue = Queue::new().await?;
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(queue.enqueue("charge", Some(key)).await?.0);
        let lease = queue.claim_one().await?;
        queue.fail(&lease, "permanent_reported", None).await?;
    }
    let (other, deduplicated) = queue.enqueue("charge", Some("a")).await?;
    assert!(!deduplicated, "nothing happened, so the key is free");
    let done = inspect::retry_many(queue.db.pool(), &Failed::default(), None).await?;
    assert_eq!((done.retried, done.refused), (2, 1));
    assert_eq!(again(&queue, &ids).await?, [1, 2]);
    assert_eq!(queue.state(ids[0]).await?, "failed/permanent_reported");
    assert_eq!(queue.state(other).await?, "pending");
    Ok(())
}

#[tokio::test]
async fn two_who_retry_the_same_jobs_queue_each_of_them_once() -> Result<()> {
    let queue = Queue::new().await?;
    let ids = failures(&queue).await?;
    let mut first = queue.db.begin().await?;
    let retried: i32 =
        sqlx::query_scalar("SELECT retried FROM jobs.retry_many(_limit => 2)").fetch_one(&mut *first).await?;
    assert_eq!(retried, 2);
    // The first has not committed: the second passes over what is its.
    let all = Failed::default();
    let others = inspect::retry_many(queue.db.pool(), &all, None);
    let done = tokio::time::timeout(std::time::Duration::from_secs(10), others).await??;
    assert_eq!((done.retried, done.refused), (4, 0));
    first.commit().await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_ready").await?, 6);
    assert_eq!(queue.events(ids[0]).await?, ["claimed", "finished", "retried"]);
    Ok(())
}

#[tokio::test]
async fn who_acts_for_a_tenant_retries_that_tenants_jobs_alone() -> Result<()> {
    let queue = Queue::new().await?;
    let ids = failures(&queue).await?;
    let mut tx = queue.db.begin_as(Uuid::from_u128(0x22)).await?;
    let own: (i32, i32) = sqlx::query_as("SELECT retried, refused FROM jobs.retry_many()").fetch_one(&mut *tx).await?;
    let others: (i32, i32) = sqlx::query_as("SELECT retried, refused FROM jobs.retry_many(_tenant_id => $1)")
        .bind(Uuid::from_u128(0x10))
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    assert_eq!((own, others), ((1, 0), (0, 0)), "the others' jobs are not even counted");
    assert_eq!(again(&queue, &ids).await?, [2]);
    Ok(())
}
