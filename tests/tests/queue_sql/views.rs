//! The views: their columns are an interface.

use anyhow::Result;

use crate::support::Queue;

#[tokio::test]
async fn the_views_have_these_columns() -> Result<()> {
    let queue = Queue::new().await?;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s: %s', c.relname, string_agg(a.attname, ' ' ORDER BY a.attnum))
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'jobs'::regnamespace AND c.relkind = 'v' GROUP BY c.relname ORDER BY c.relname",
    )
    .fetch_all(queue.db.pool())
    .await?;
    let golden = include_str!("views.txt");
    assert_eq!(columns.join("\n"), golden.trim_end());
    Ok(())
}

#[tokio::test]
async fn every_view_runs_with_the_rights_of_its_reader() -> Result<()> {
    let queue = Queue::new().await?;
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'jobs'::regnamespace AND relkind = 'v'
            AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)",
    )
    .fetch_all(queue.db.pool())
    .await?;
    assert!(others.is_empty(), "{others:?}");
    Ok(())
}

/// An attempt that succeeded has no event of its own: it is read off the job's outcome.
#[tokio::test]
async fn every_claim_and_end_of_a_job_is_an_event_wherever_it_is_kept() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    assert_eq!(queue.events(id).await?, ["claimed"]);
    queue.fail(&lease, "transient_reported", Some(0)).await?;
    queue.run("SELECT jobs.promote(10)").await?;
    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    assert_eq!(queue.events(id).await?, ["claimed", "finished", "claimed", "finished"]);
    let story: Vec<(i32, i32, bool, Option<String>)> = sqlx::query_as(
        "SELECT epoch, attempt, worker = $2, failure_class FROM jobs.v_job_attempt WHERE id = $1 ORDER BY at",
    )
    .bind(id)
    .bind(queue.worker)
    .fetch_all(queue.db.pool())
    .await?;
    let transient = || Some("transient_reported".to_owned());
    assert_eq!(story, [(1, 1, true, None), (1, 1, true, transient()), (2, 2, true, None), (2, 2, true, None)]);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_attempt").await?, 1);
    Ok(())
}

/// What the planner cannot see through is read from end to end, for each job.
#[tokio::test]
async fn the_events_of_one_job_are_found_by_its_key() -> Result<()> {
    let queue = Queue::new().await?;
    let mut tx = queue.db.begin().await?;
    sqlx::raw_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        .execute(&mut *tx)
        .await?;
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN (COSTS OFF) SELECT * FROM jobs.v_job_attempt WHERE id = '01939600-0000-7000-8000-000000000000'",
    )
    .fetch_all(&mut *tx)
    .await?;
    let plan = plan.join("\n");
    for table in ["tb_job_attempt_p0", "tb_job_lease", "tb_job_outcome_p0"] {
        assert!(plan.contains(&format!(" on {table} ")), "{plan}");
    }
    let scans = plan.matches(" Scan").count() - plan.matches("Bitmap Index Scan").count();
    let by_key = plan.matches("Index Cond: (pk_job_run = j.pk_job_run)").count();
    // Nine of events, two of jobs by their id, one of workers by their code; a bitmap's condition is said twice.
    assert_eq!((scans, by_key), (12, 9), "{plan}");
    Ok(())
}

#[tokio::test]
async fn a_job_shows_what_was_in_force_when_it_was_queued() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    // A new release with another policy.
    queue
        .run("SELECT jobs.register_operations('[{\"service\": \"pay\", \"operation\": \"charge\", \"timeout_seconds\": 30, \"max_attempts\": 3,
            \"policy_hash\": \"other\", \"runner_config\": {\"base_url\": \"https://new.example\"}}]')")
        .await?;
    queue.enqueue("charge", None).await?;
    let recorded: Vec<String> =
        sqlx::query_scalar("SELECT runner_config ->> 'base_url' FROM jobs.v_job_run ORDER BY pk_job_run")
            .fetch_all(queue.db.pool())
            .await?;
    assert_eq!(recorded, ["https://pay.example", "https://new.example"]);
    Ok(())
}

#[tokio::test]
async fn services_with_more_than_ten_failures_in_an_hour_are_failing() -> Result<()> {
    let queue = Queue::new().await?;
    for failures in 1..=11 {
        assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_failing_services").await?, 0);
        queue.enqueue("charge", None).await?;
        let lease = queue.claim_one().await?;
        queue.fail(&lease, "permanent_reported", None).await?;
        assert_eq!(queue.scalar::<i64>("SELECT failure_count FROM jobs.v_runner_failure_patterns").await?, failures);
    }
    assert_eq!(queue.scalar::<i64>("SELECT failure_count FROM jobs.v_failing_services").await?, 11);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_dead_letter").await?, 11);
    Ok(())
}

#[tokio::test]
async fn a_figure_that_is_no_number_does_not_break_the_usage_view() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    queue.enqueue("charge", None).await?;
    let leases = queue.claim(2).await?;
    queue.complete(&leases).await?;
    queue
        .run("UPDATE jobs.tb_job_outcome SET resource_usage = '{\"duration_seconds\": \"long\", \"source\": \"test\"}' WHERE pk_job_run = 1")
        .await?;
    assert_eq!(
        queue.scalar::<String>("SELECT avg_duration_sec::text FROM jobs.v_resource_usage_by_runner").await?,
        "0.50"
    );
    Ok(())
}

#[tokio::test]
async fn the_queues_depth_counts_each_state() -> Result<()> {
    let queue = Queue::new().await?;
    for _ in 0..3 {
        queue.enqueue("charge", None).await?;
    }
    let lease = queue.claim_one().await?;
    queue.claim_one().await?;
    queue.fail(&lease, "transient_reported", Some(60_000)).await?;
    let depth: (i64, i64, i64) =
        sqlx::query_as("SELECT ready, scheduled, running FROM jobs.v_queue_depth WHERE operation = 'charge'")
            .fetch_one(queue.db.pool())
            .await?;
    assert_eq!(depth, (1, 1, 1));
    Ok(())
}

#[tokio::test]
async fn one_job_can_be_carried_by_hand() -> Result<()> {
    let queue = Queue::new().await?;
    let done = queue.charge(1).await?;
    let failed = queue.charge(2).await?;
    for id in [done, failed] {
        sqlx::query("SELECT jobs.mark_job_started($1)").bind(id).execute(queue.db.pool()).await?;
        assert_eq!(queue.state(id).await?, "running");
    }
    assert_eq!(queue.scalar::<i32>("SELECT jobs.rescue()").await?, 0);
    sqlx::query("SELECT jobs.complete_job_successfully($1, '{}')").bind(done).execute(queue.db.pool()).await?;
    sqlx::query("SELECT jobs.fail_job($1, 'no money')").bind(failed).execute(queue.db.pool()).await?;
    assert_eq!((queue.state(done).await?.as_str(), queue.order(1).await?.0.as_str()), ("completed", "paid"));
    assert_eq!(
        (queue.state(failed).await?.as_str(), queue.order(2).await?.0.as_str()),
        ("failed/ambiguous", "ambiguous after 1: no money")
    );
    Ok(())
}
