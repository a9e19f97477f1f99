//! Why a job waits, and breakers that are closed by hand.

use anyhow::Result;
use uuid::Uuid;

use crate::support::{Queue, raised};

async fn waits_for(queue: &Queue, id: Uuid) -> Result<Option<String>> {
    let sql = "SELECT waits_for FROM jobs.v_job_run WHERE id = $1";
    Ok(sqlx::query_scalar(sql).bind(id).fetch_one(queue.db.pool()).await?)
}

/// A queue whose worker serves everything.
async fn served() -> Result<Queue> {
    let queue = Queue::new().await?;
    sqlx::query("SELECT jobs.register_worker($1, 'test', '1', '{}')")
        .bind(queue.worker)
        .execute(queue.db.pool())
        .await?;
    queue.claim(1).await?;
    Ok(queue)
}

#[tokio::test]
async fn a_job_that_nothing_holds_back_waits_for_nothing() -> Result<()> {
    let queue = served().await?;
    let id = queue.enqueue("charge", None).await?.0;
    assert_eq!(waits_for(&queue, id).await?, None, "its turn has not come");
    let leases = queue.claim(1).await?;
    assert_eq!(waits_for(&queue, id).await?, None, "it runs");
    queue.complete(&leases).await?;
    assert_eq!(waits_for(&queue, id).await?, None, "it is done");
    Ok(())
}

#[tokio::test]
async fn a_job_waits_for_a_time_for_an_earlier_one_or_for_its_callback() -> Result<()> {
    let queue = served().await?;
    let sql = "SELECT job_id FROM jobs.enqueue('pay', 'charge', _run_at => now() + interval '1 hour')";
    assert_eq!(waits_for(&queue, queue.scalar(sql).await?).await?.as_deref(), Some("schedule"));
    // As a newer call of the same key stands.
    queue.run("UPDATE jobs.tb_job_scheduled SET run_at = 'infinity'").await?;
    let reasons = "SELECT waits_for FROM jobs.v_job_run WHERE status = 'pending'";
    assert_eq!(queue.scalar::<String>(reasons).await?, "earlier");
    let retried = queue.enqueue("charge", None).await?.0;
    let lease = queue.claim_one().await?;
    queue.fail(&lease, "transient_reported", Some(60_000)).await?;
    assert_eq!(waits_for(&queue, retried).await?.as_deref(), Some("schedule"));

    queue.run("UPDATE shop.tb_order SET broken = true WHERE pk_order = 1").await?;
    let id = queue.charge(1).await?;
    let leases = queue.claim(1).await?;
    assert_eq!(queue.complete(&leases).await?, ["callback_waiting"]);
    assert_eq!(
        (queue.state(id).await?.as_str(), waits_for(&queue, id).await?.as_deref()),
        ("running", Some("callback"))
    );
    Ok(())
}

#[tokio::test]
async fn a_job_waits_for_the_end_of_a_pause_that_names_it() -> Result<()> {
    let queue = served().await?;
    let tenant = Uuid::from_u128(1);
    let of_nobody = queue.enqueue("charge", None).await?.0;
    let of_tenant: Uuid = sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('pay', 'transfer', _tenant_id => $1)")
        .bind(tenant)
        .fetch_one(queue.db.pool())
        .await?;
    queue.run("SELECT jobs.pause(_tenant_id => '00000000-0000-0000-0000-000000000001')").await?;
    assert_eq!(waits_for(&queue, of_tenant).await?.as_deref(), Some("pause"));
    assert_eq!(waits_for(&queue, of_nobody).await?, None);
    queue.run("SELECT jobs.pause('pay', 'charge')").await?;
    assert_eq!(waits_for(&queue, of_nobody).await?.as_deref(), Some("pause"));
    queue.run("SELECT jobs.resume('pay', 'charge')").await?;
    assert_eq!(waits_for(&queue, of_nobody).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_job_waits_for_a_worker_that_serves_it() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.enqueue("transfer", None).await?.0;
    assert_eq!(waits_for(&queue, id).await?.as_deref(), Some("worker"), "there is none");
    sqlx::query("SELECT jobs.register_worker($1, 'test', '1', '{}')")
        .bind(queue.worker)
        .execute(queue.db.pool())
        .await?;
    assert_eq!(waits_for(&queue, id).await?, None, "nobody knows yet what it will claim");
    let charge = &queue.operations[..1];
    sqlx::query("SELECT jobs.claim($1, $2, 1)").bind(queue.worker).bind(charge).execute(queue.db.pool()).await?;
    assert_eq!(waits_for(&queue, id).await?.as_deref(), Some("worker"), "it claims others");
    queue.claim(0).await?;
    assert_eq!(waits_for(&queue, id).await?, None, "now it serves this one too");
    queue.run("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '11 seconds'").await?;
    assert_eq!(waits_for(&queue, id).await?.as_deref(), Some("worker"), "it is gone");
    Ok(())
}

#[tokio::test]
async fn a_job_waits_for_room_under_a_limit() -> Result<()> {
    let queue = served().await?;
    for (limit, limited) in
        [("\"concurrency\": 1", "narrow"), ("\"rate_starts\": 1, \"rate_period_ms\": 3600000", "slow")]
    {
        let operations = format!(
            "[{{\"service\": \"{limited}\", \"operation\": \"go\", \"timeout_seconds\": 30, \"max_attempts\": 3, {limit}}}]"
        );
        sqlx::query("SELECT jobs.register_operations($1::jsonb)").bind(operations).execute(queue.db.pool()).await?;
        let mut ids: Vec<Uuid> = Vec::new();
        for _ in 0..2 {
            let sql = "SELECT job_id FROM jobs.enqueue($1, 'go')";
            ids.push(sqlx::query_scalar(sql).bind(limited).fetch_one(queue.db.pool()).await?);
        }
        let claim = "SELECT jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 10, true)";
        sqlx::query(claim).bind(queue.worker).execute(queue.db.pool()).await?;
        assert_eq!(waits_for(&queue, ids[0]).await?, None);
        assert_eq!(waits_for(&queue, ids[1]).await?.as_deref(), Some("limit"), "{limited}");
    }
    Ok(())
}

#[tokio::test]
async fn a_job_waits_for_a_breaker_until_that_is_closed_by_hand() -> Result<()> {
    let queue = served().await?;
    queue
        .run(
            "SELECT jobs.register_operations('[{\"service\": \"shaky\", \"operation\": \"go\", \"timeout_seconds\": 30,
                \"max_attempts\": 3, \"breaker\": true}]')",
        )
        .await?;
    let id = queue.scalar("SELECT job_id FROM jobs.enqueue('shaky', 'go')").await?;
    let claim = "SELECT count(*) FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 10, true)";
    queue
        .run("SELECT jobs.open_breaker(gen_random_uuid(), code, 60000, 60000, 'down') FROM jobs.tb_operation WHERE service_name = 'shaky'")
        .await?;
    let claimed =
        async || -> Result<i64> { Ok(sqlx::query_scalar(claim).bind(queue.worker).fetch_one(queue.db.pool()).await?) };
    assert_eq!(claimed().await?, 0);
    assert_eq!(waits_for(&queue, id).await?.as_deref(), Some("breaker"));
    assert_eq!(queue.scalar::<i32>("SELECT jobs.reset_breaker('pay')").await?, 0, "another service's");
    assert_eq!(queue.scalar::<i32>("SELECT jobs.reset_breaker('shaky', 'go')").await?, 1);
    assert_eq!(queue.scalar::<i32>("SELECT jobs.reset_breaker('shaky')").await?, 0, "it is closed");
    assert_eq!(waits_for(&queue, id).await?, None);
    assert_eq!(claimed().await?, 1);
    let unknown = sqlx::query("SELECT jobs.reset_breaker('shaky', 'come')").execute(queue.db.pool()).await;
    assert_eq!(raised(unknown).0, "SQ404");
    Ok(())
}

/// What is not asked for costs nothing: the function is called for rows that are shown.
#[tokio::test]
async fn views_over_all_jobs_do_not_ask_why_each_waits() -> Result<()> {
    let queue = Queue::new().await?;
    for view in ["v_job_stats", "v_execution_performance_by_type", "v_runner_failure_patterns"] {
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM jobs.{view}"));
        let plan: Vec<String> = sqlx::query_scalar(sql).fetch_all(queue.db.pool()).await?;
        assert!(!plan.join("\n").contains("held_by"), "{view}");
    }
    Ok(())
}

#[tokio::test]
async fn who_may_read_a_job_reads_why_it_waits_without_reading_pauses_and_workers() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    queue.run("SELECT jobs.pause('pay')").await?;
    let mut tx = queue.db.begin().await?;
    sqlx::raw_sql(
        "CREATE ROLE reader_of_waits_for; GRANT reader_of_waits_for TO CURRENT_USER; GRANT USAGE ON SCHEMA jobs TO reader_of_waits_for;
        GRANT SELECT ON ALL TABLES IN SCHEMA jobs TO reader_of_waits_for;
        REVOKE SELECT ON jobs.tb_pause, jobs.tb_worker, jobs.tb_limit, jobs.tb_limit_share, jobs.tb_circuit_breaker
            FROM reader_of_waits_for;
        CREATE POLICY reader ON jobs.tb_job_run TO reader_of_waits_for USING (true);
        SET LOCAL ROLE reader_of_waits_for",
    )
    .execute(&mut *tx)
    .await?;
    let reason: String = sqlx::query_scalar("SELECT waits_for FROM jobs.v_job_run").fetch_one(&mut *tx).await?;
    assert_eq!(reason, "pause");
    tx.rollback().await?;
    Ok(())
}
