//! How the queue's statements over batches are planned.

use anyhow::Result;

use crate::support::Queue;

/// PostgreSQL keeps a function's plans for the session, made when the tables were empty and with any array taken for ten
/// rows. Unpinned, bulk enqueuing joined two arrays of 5,000 by a nested loop as soon as there were more partitions to
/// look into: 1,600 jobs/s instead of 49,000.
#[tokio::test]
async fn statements_over_batches_do_not_depend_on_statistics() -> Result<()> {
    let queue = Queue::new().await?;
    let unpinned: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s: %s', p.proname, setting)
        FROM pg_proc AS p
        CROSS JOIN unnest(ARRAY['enable_seqscan=off', 'enable_mergejoin=off', 'enable_bitmapscan=off', 'jit=off',
            CASE WHEN p.proname IN ('claim', 'complete_plain', 'heartbeat') THEN 'enable_nestloop=off' ELSE 'enable_hashjoin=off' END
        ]) AS setting
        WHERE p.pronamespace = 'jobs'::regnamespace
            AND p.proname IN ('enqueue_many', 'queue_new_jobs', 'claim', 'complete_plain', 'heartbeat')
            AND (setting = ANY (p.proconfig)) IS NOT TRUE",
    )
    .fetch_all(queue.db.pool())
    .await?;
    assert_eq!(unpinned, [""; 0]);
    Ok(())
}

/// A vacuum between two bursts says that there are no leases. A completion that then went through all of them, once for
/// each job of its batch, took longer than its leases: the jobs were rescued and run again.
#[tokio::test]
async fn a_completion_reads_the_leases_of_its_batch_alone() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("VACUUM ANALYZE jobs.tb_job_lease").await?;
    queue.run("SELECT jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[300]))").await?;
    let leases = queue.claim(300).await?;
    let (pks, epochs): (Vec<i64>, Vec<i32>) =
        leases.iter().take(10).map(|lease| (lease.pk_job_run, lease.epoch)).unzip();
    let mut session = queue.db.pool().acquire().await?;
    sqlx::query("BEGIN").execute(&mut *session).await?;
    for call in ["SELECT jobs.heartbeat($1, $2, $3)", "SELECT jobs.complete($1, $2, $3, NULL, NULL)"] {
        sqlx::query(call).bind(queue.worker).bind(&pks).bind(&epochs).execute(&mut *session).await?;
    }
    let read: i64 = sqlx::query_scalar(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'jobs.tb_job_lease'::regclass",
    )
    .fetch_one(&mut *session)
    .await?;
    // A heartbeat looks three times: to lock, to renew, to answer.
    assert!(read <= 40, "{read} leases were read for a batch of 10");
    sqlx::query("COMMIT").execute(&mut *session).await?;
    Ok(())
}

#[tokio::test]
async fn a_claim_reads_the_jobs_that_it_takes_alone() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("VACUUM ANALYZE jobs.tb_job_run").await?;
    queue.run("VACUUM ANALYZE jobs.tb_job_ready").await?;
    queue.run("SELECT jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[300]))").await?;
    let mut session = queue.db.pool().acquire().await?;
    sqlx::query("BEGIN").execute(&mut *session).await?;
    sqlx::query("SELECT jobs.claim($1, $2, 10)")
        .bind(queue.worker)
        .bind(&queue.operations)
        .execute(&mut *session)
        .await?;
    let read: i64 = sqlx::query_scalar(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'jobs.tb_job_run_p0'::regclass",
    )
    .fetch_one(&mut *session)
    .await?;
    assert_eq!(read, 10);
    sqlx::query("COMMIT").execute(&mut *session).await?;
    Ok(())
}

#[tokio::test]
async fn a_bulk_after_a_single_job_reads_each_operation_by_its_index() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    // The session's plan is made for one row, in a queue that knows few operations and has no statistics.
    sqlx::query("SELECT jobs.enqueue('pay', 'charge')").execute(&mut *session).await?;
    sqlx::query("BEGIN").execute(&mut *session).await?;
    sqlx::query("SELECT jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[500]))")
        .execute(&mut *session)
        .await?;
    let scans: i64 =
        sqlx::query_scalar("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'jobs.tb_operation'::regclass")
            .fetch_one(&mut *session)
            .await?;
    assert_eq!(scans, 0);
    sqlx::query("ROLLBACK").execute(&mut *session).await?;
    Ok(())
}

#[tokio::test]
async fn a_bulk_with_some_earlier_jobs_reads_each_job_by_its_key() -> Result<()> {
    let queue = Queue::new().await?;
    let mut session = queue.db.pool().acquire().await?;
    let bulk = "SELECT count(*) FILTER (WHERE deduplicated) FROM jobs.enqueue_many('pay', 'charge',
        array_fill('{}'::jsonb, ARRAY[500]), (SELECT array_agg('k' || n) FROM generate_series($1::integer, $1 + 499) AS n))";
    sqlx::query(bulk).bind(1).execute(&mut *session).await?;
    sqlx::query("BEGIN").execute(&mut *session).await?;
    let earlier: i64 = sqlx::query_scalar(bulk).bind(251).fetch_one(&mut *session).await?;
    assert_eq!(earlier, 250);
    let scans: i64 = sqlx::query_scalar(
        "SELECT sum(seq_scan)::bigint FROM pg_stat_xact_user_tables WHERE relname IN ('tb_job_run_p0', 'tb_job_key')",
    )
    .fetch_one(&mut *session)
    .await?;
    assert_eq!(scans, 0);
    sqlx::query("ROLLBACK").execute(&mut *session).await?;
    Ok(())
}
