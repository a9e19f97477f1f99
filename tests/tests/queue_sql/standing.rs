//! Where one job stands, asked by its id.

use anyhow::Result;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::Queue;

type Standing = (String, Option<Value>, Option<String>, Option<String>, i32);

/// What `jobs.standing` says of a job, which must be what the view says.
async fn standing(queue: &Queue, id: Uuid) -> Result<Option<Standing>> {
    let [asked, seen] = [
        "SELECT status, output_data, error_message, failure_class, attempts FROM jobs.standing($1)",
        "SELECT status, output_data, error_message, failure_class, attempts FROM jobs.v_job_run WHERE id = $1",
    ]
    .map(|sql| sqlx::query_as::<_, Standing>(sql).bind(id).fetch_optional(queue.db.pool()));
    let (asked, seen) = (asked.await?, seen.await?);
    assert_eq!(asked, seen);
    Ok(asked)
}

async fn status(queue: &Queue, id: Uuid) -> Result<String> {
    let (status, _, _, class, attempts) = standing(queue, id).await?.expect("a job");
    Ok([Some(status), class, Some(attempts.to_string())].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn a_job_is_said_to_stand_where_the_view_shows_it() -> Result<()> {
    let queue = Queue::new().await?;
    assert_eq!(standing(&queue, Uuid::new_v4()).await?, None);
    let job = queue.charge(1).await?;
    assert_eq!(status(&queue, job).await?, "pending 0");
    let lease = queue.claim_one().await?;
    assert_eq!(status(&queue, job).await?, "running 1");
    queue.fail(&lease, "transient_reported", Some(60_000)).await?;
    assert_eq!(status(&queue, job).await?, "pending 1");
    queue.pass_time().await?;
    assert_eq!(status(&queue, job).await?, "pending 1");
    let lease = queue.claim_one().await?;
    queue.run("UPDATE shop.tb_order SET broken = true").await?;
    queue.complete(std::slice::from_ref(&lease)).await?;
    let (waits, _, message, _, _) = standing(&queue, job).await?.expect("a job");
    assert_eq!(waits, "running");
    assert!(message.expect("why its callback waits").contains("broken"));
    queue.run("UPDATE shop.tb_order SET broken = false").await?;
    queue.pass_time().await?;
    let (done, output, ..) = standing(&queue, job).await?.expect("a job");
    assert_eq!((done.as_str(), output), ("completed", Some(json!({"ok": true}))));

    let job = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "ambiguous", None).await?;
    assert_eq!(status(&queue, job).await?, "failed ambiguous 1");
    Ok(())
}

/// How many partitions the transaction has touched so far, for whatever reason.
async fn partitions_touched(session: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT count(DISTINCT l.relation) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
        WHERE l.pid = pg_backend_pid() AND c.relispartition AND c.relkind = 'r'",
    )
    .fetch_one(session)
    .await?)
}

#[tokio::test]
async fn a_job_is_looked_for_in_its_own_range_among_many() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    queue.run("SELECT jobs.add_range(n) FROM generate_series(1, 60) AS n").await?;
    queue.run("SELECT setval('jobs.tb_job_run_pk_job_run_seq', 3050)").await?;
    let done = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    let failed = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "ambiguous", None).await?;
    let waiting = queue.enqueue("charge", None).await?.0;
    let by_hand = queue.enqueue("charge", None).await?.0;
    let calls = [
        ("SELECT FROM jobs.standing($1)", done),
        ("SELECT FROM jobs.standing($1)", waiting),
        ("SELECT jobs.watch($1)", waiting),
        ("SELECT jobs.wait($1, '0')", done),
        ("SELECT jobs.is_own($1)", waiting),
        ("SELECT jobs.retry($1)", failed),
        ("SELECT jobs.cancel($1)", waiting),
        ("SELECT jobs.mark_job_started($1)", by_hand),
        ("SELECT jobs.fail_job($1, 'no')", by_hand),
        ("SELECT jobs.complete_job_successfully($1, '{}')", by_hand),
    ];
    for (sql, job) in calls {
        for tenant in ["", "00000000-0000-0000-0000-000000000001"] {
            let mut session = queue.db.begin().await?;
            sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant).execute(&mut *session).await?;
            sqlx::query("SAVEPOINT s").execute(&mut *session).await?;
            if sqlx::query(sql).bind(job).execute(&mut *session).await.is_err() {
                // A job that is none of this tenant's.
                continue;
            }
            let touched = partitions_touched(&mut session).await?;
            assert!(touched <= 6, "{sql} touched {touched} partitions");
        }
    }
    Ok(())
}
