//! Uniqueness: who gets a key, and when it is given back.

use anyhow::Result;
use specql_registry::FailureClass;

use crate::support::{Queue, raised};

#[tokio::test]
async fn in_flight_returns_the_unfinished_job_and_then_makes_a_new_one() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = queue.enqueue("charge", Some("k")).await?;
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (first, true));
    let lease = queue.claim_one().await?;
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (first, true));
    queue.complete(&[lease]).await?;
    let (second, deduplicated) = queue.enqueue("charge", Some("k")).await?;
    assert!(second != first && !deduplicated);
    Ok(())
}

#[tokio::test]
async fn once_returns_the_job_even_after_it_completed() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = queue.enqueue("refund", Some("k")).await?;
    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    assert_eq!(queue.enqueue("refund", Some("k")).await?, (first, true));
    Ok(())
}

#[tokio::test]
async fn never_and_a_job_without_a_name_are_always_new() -> Result<()> {
    let queue = Queue::new().await?;
    for _ in 0..2 {
        assert!(!queue.enqueue("refund", None).await?.1);
        assert!(
            !queue.scalar::<bool>("SELECT deduplicated FROM jobs.enqueue('pay', 'charge', '{}', 'k', 'never')").await?
        );
    }
    assert_eq!(queue.claim(10).await?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn tenants_and_operations_do_not_share_names() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", Some("k")).await?;
    assert!(!queue.enqueue("refund", Some("k")).await?.1);
    assert!(
        !queue
            .scalar::<bool>(
                "SELECT deduplicated FROM jobs.enqueue('pay', 'charge', '{}', 'k', _tenant_id => gen_random_uuid())"
            )
            .await?
    );
    Ok(())
}

#[tokio::test]
async fn a_rival_waits_for_the_commit_and_gets_the_same_job() -> Result<()> {
    let queue = Queue::new().await?;
    let mut tx = queue.db.begin().await?;
    let first: uuid::Uuid =
        sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('pay', 'charge', '{}', 'k')").fetch_one(&mut *tx).await?;
    let (rival, ()) = tokio::join!(queue.enqueue("charge", Some("k")), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        tx.commit().await.expect("the commit succeeds");
    });
    assert_eq!(rival?, (first, true));
    Ok(())
}

#[tokio::test]
async fn under_repeatable_read_a_rivals_key_is_postgresqls_own_serialization_failure() -> Result<()> {
    let queue = Queue::new().await?;
    let mut tx = queue.db.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
    sqlx::query("SELECT 1").execute(&mut *tx).await?;
    queue.enqueue("charge", Some("k")).await?;
    let (code, _) = raised(sqlx::query("SELECT jobs.enqueue('pay', 'charge', '{}', 'k')").execute(&mut *tx).await);
    assert_eq!(code, "40001");
    Ok(())
}

#[tokio::test]
async fn a_final_failure_gives_the_key_back_exactly_when_its_class_proves_that_nothing_happened() -> Result<()> {
    let queue = Queue::new().await?;
    for class in FailureClass::ALL {
        // These are the queue's own verdicts.
        if matches!(class, FailureClass::CallbackFailed | FailureClass::Superseded | FailureClass::Poison) {
            continue;
        }
        // A worker that says nothing of a refusal is from before it could: it knew of HTTP alone.
        let proves = class.proves_no_effect() || class == FailureClass::PermanentReported;
        for operation in ["charge", "refund"] {
            let (first, _) = queue.enqueue(operation, Some(class.name())).await?;
            let lease = queue.claim_one().await?;
            queue.fail(&lease, class.name(), None).await?;
            let (next, deduplicated) = queue.enqueue(operation, Some(class.name())).await?;
            assert_eq!((next != first, !deduplicated), (proves, proves), "{class} of {operation}");
            if proves {
                let lease = queue.claim_one().await?;
                queue.complete(&[lease]).await?;
            }
        }
    }
    Ok(())
}

/// Of an exit code or an error of a function only the runner knows; of an unknown outcome nobody does.
#[tokio::test]
async fn the_workers_word_decides_whether_a_failure_proves_that_nothing_happened() -> Result<()> {
    let queue = Queue::new().await?;
    for (class, no_effect, counted, kept) in [
        ("permanent_reported", Some(true), true, false),
        ("permanent_reported", Some(false), true, true),
        // What a worker says that knows only the class.
        ("permanent_reported", None, true, false),
        ("transient_reported", Some(true), true, false),
        ("transient_reported", None, true, true),
        ("rate_limited", Some(false), false, true),
        ("rate_limited", Some(true), false, false),
        ("cancelled", Some(false), true, true),
        ("cancelled", Some(true), true, false),
        ("ambiguous", Some(true), true, true),
        ("timeout", Some(true), true, true),
        ("killed_external", Some(true), true, true),
        ("effect_result_lost", Some(true), true, true),
    ] {
        let key = format!("{class} {no_effect:?}");
        let (first, _) = queue.enqueue("charge", Some(&key)).await?;
        let lease = queue.claim_one().await?;
        let sql = "SELECT result FROM jobs.fail($1, ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY['declined'],
            ARRAY[NULL::bigint], ARRAY[$5], NULL, _no_effect => ARRAY[$6])";
        sqlx::query(sql)
            .bind(queue.worker)
            .bind(lease.pk_job_run)
            .bind(lease.epoch)
            .bind(class)
            .bind(counted)
            .bind(no_effect)
            .execute(queue.db.pool())
            .await?;
        let (next, deduplicated) = queue.enqueue("charge", Some(&key)).await?;
        assert_eq!((next == first, deduplicated), (kept, kept), "{key}");
        if !kept {
            let lease = queue.claim_one().await?;
            queue.complete(&[lease]).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_failure_that_proves_nothing_about_an_earlier_attempt_keeps_the_key() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.fail(&lease, "ambiguous", Some(0)).await?, "retrying");
    queue.pass_time().await?;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.fail(&lease, "permanent_reported", None).await?, "failed");
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (first, true));
    Ok(())
}

#[tokio::test]
async fn a_call_that_a_stopping_worker_abandoned_keeps_the_key_although_it_uses_no_attempt_up() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = queue.enqueue("charge", Some("k")).await?;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.fail_counted(&lease, "ambiguous", Some(0), false).await?, "retrying");
    queue.pass_time().await?;
    let lease = queue.claim_one().await?;
    assert_eq!(lease.attempt, 1);
    assert_eq!(queue.fail(&lease, "permanent_reported", None).await?, "failed");
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (first, true));
    Ok(())
}

#[tokio::test]
async fn a_poisoned_job_keeps_its_key() -> Result<()> {
    let queue = Queue::new().await?;
    let (first, _) = queue.enqueue("charge", Some("k")).await?;
    for _ in 0..3 {
        queue.claim_one().await?;
        queue.crash().await?;
    }
    assert_eq!(queue.state(first).await?, "failed/poison");
    assert_eq!(queue.enqueue("charge", Some("k")).await?, (first, true));
    Ok(())
}
