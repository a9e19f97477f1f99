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
        CROSS JOIN unnest(ARRAY['enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off', 'jit=off']) AS setting
        WHERE p.pronamespace = 'jobs'::regnamespace
            AND p.proname IN ('enqueue_many', 'queue_new_jobs', 'claim', 'complete_plain')
            AND (setting = ANY (p.proconfig)) IS NOT TRUE",
    )
    .fetch_all(queue.db.pool())
    .await?;
    assert_eq!(unpinned, [""; 0]);
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
