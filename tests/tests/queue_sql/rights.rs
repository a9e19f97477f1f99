//! What a row, or a role, cannot make the queue do.

use anyhow::Result;

use crate::support::{Queue, raised};

/// For this transaction only, which ends without a commit.
async fn become_role(tx: &mut sqlx::PgConnection, sql: &'static str) -> Result<()> {
    sqlx::raw_sql(sql).execute(tx).await?;
    Ok(())
}

#[tokio::test]
async fn a_job_that_names_a_callback_of_another_operation_or_entity_is_refused() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("CREATE FUNCTION shop.steal(uuid, jsonb) RETURNS void LANGUAGE sql AS $$ UPDATE shop.tb_order SET paid = 99 $$").await?;
    for sql in [
        "INSERT INTO jobs.tb_job_run (service_name, operation, entity_type, on_success) VALUES ('pay', 'charge', 'Order', 'shop.steal')",
        "INSERT INTO jobs.tb_job_run (service_name, operation, entity_type, on_success) VALUES ('pay', 'refund', 'Order', 'shop.cb_paid')",
        "INSERT INTO jobs.tb_job_run (service_name, operation, entity_type, on_success) VALUES ('pay', 'charge', 'Invoice', 'shop.cb_paid')",
        "INSERT INTO jobs.tb_job_run (service_name, operation, entity_type, on_failure) VALUES ('pay', 'charge', 'Order', 'shop.cb_paid')",
        "INSERT INTO jobs.tb_job_run (service_name, operation, on_success) VALUES ('pay', 'charge', 'shop.cb_paid')",
    ] {
        assert_eq!(raised(sqlx::query(sql).execute(queue.db.pool()).await).0, "SQ403", "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_callback_that_does_not_match_at_the_end_runs_nothing() -> Result<()> {
    let queue = Queue::new().await?;
    let id = queue.charge(1).await?;
    let leases = queue.claim(1).await?;
    // As if the row had been forged past the check at the door.
    queue.run("UPDATE jobs.tb_job_run SET entity_type = 'Invoice'").await?;
    assert_eq!(queue.complete(&leases).await?, ["failed"], "waiting would not help");
    assert_eq!(queue.state(id).await?, "failed/callback_failed");
    assert_eq!(queue.order(1).await?, ("new".into(), 0));
    Ok(())
}

#[tokio::test]
async fn the_enqueuer_inserts_its_columns_and_can_do_nothing_else() -> Result<()> {
    let queue = Queue::new().await?;
    let mut tx = queue.db.begin().await?;
    become_role(&mut tx, "GRANT specql_enqueuer TO CURRENT_USER; SET LOCAL ROLE specql_enqueuer").await?;
    sqlx::query(
        "INSERT INTO jobs.tb_job_run (service_name, operation, input_data, idempotency_key, correlation_id, priority, run_at)
        VALUES ('pay', 'charge', '{}', 'k', 'c', 1, NULL)",
    )
    .execute(&mut *tx)
    .await?;
    for sql in [
        "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id) VALUES ('pay', 'charge', gen_random_uuid())",
        "INSERT INTO jobs.tb_job_run (service_name, operation, on_success) VALUES ('pay', 'charge', 'shop.cb_paid')",
        "INSERT INTO jobs.tb_job_run (service_name, operation, entity_type) VALUES ('pay', 'charge', 'Order')",
        "INSERT INTO jobs.tb_job_run (service_name, operation, id) VALUES ('pay', 'charge', gen_random_uuid())",
        "INSERT INTO jobs.tb_job_run (service_name, operation, unique_rule) VALUES ('pay', 'charge', 'once')",
        "INSERT INTO jobs.tb_job_run_p0 (service_name, operation) VALUES ('pay', 'charge')",
        "INSERT INTO jobs.tb_job_ready SELECT 0, 1, 1",
        "SELECT FROM jobs.tb_job_run",
        "SELECT FROM jobs.v_job_run",
        "SELECT jobs.enqueue('pay', 'charge')",
        "SELECT jobs.enqueue_step('pay', 'charge', '{}', 'x', NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, 'Order', 1, NULL, NULL)",
        "SELECT jobs.claim(gen_random_uuid(), '{1}', 1)",
        "SELECT jobs.complete(gen_random_uuid(), '{1}', '{1}', '{}', '{}')",
        "SELECT jobs.cancel(gen_random_uuid())",
        "SELECT jobs.retry(gen_random_uuid())",
    ] {
        sqlx::query("SAVEPOINT s").execute(&mut *tx).await?;
        assert_eq!(raised(sqlx::query(sql).execute(&mut *tx).await).0, "42501", "{sql}");
        sqlx::query("ROLLBACK TO s").execute(&mut *tx).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_worker_role_runs_the_protocol_and_reads_no_table() -> Result<()> {
    let queue = Queue::new().await?;
    queue.enqueue("charge", None).await?;
    let mut tx = queue.db.begin().await?;
    become_role(&mut tx, "GRANT specql_worker TO CURRENT_USER; SET LOCAL ROLE specql_worker").await?;
    let claimed = sqlx::query("SELECT jobs.claim($1, $2, 1)")
        .bind(queue.worker)
        .bind(&queue.operations)
        .fetch_all(&mut *tx)
        .await?;
    assert_eq!(claimed.len(), 1);
    let results: Vec<String> =
        sqlx::query_scalar("SELECT result FROM jobs.complete($1, '{1}', '{1}', ARRAY['{}'::jsonb], NULL)")
            .bind(queue.worker)
            .fetch_all(&mut *tx)
            .await?;
    assert_eq!(results, ["completed"]);
    let taken: String = sqlx::query_scalar("SELECT jobs.run_schedule('x', '', '', now(), now(), 0, TRUE) FROM jobs.schedules() RIGHT JOIN (VALUES (1)) AS one ON TRUE")
        .fetch_one(&mut *tx)
        .await?;
    assert_eq!(taken, "taken");
    let taken: String = sqlx::query_scalar("SELECT jobs.run_for_tenant(gen_random_uuid(), 'x', gen_random_uuid(), now()) FROM jobs.scheduled_tenants('x') RIGHT JOIN (VALUES (1)) AS one ON TRUE")
        .fetch_one(&mut *tx)
        .await?;
    assert_eq!(taken, "taken");
    for sql in [
        "SELECT FROM jobs.tb_schedule",
        "UPDATE jobs.tb_schedule SET wrapper = 'other'",
        "INSERT INTO jobs.tb_schedule_tenant (key, tenant_id, due) VALUES ('x', gen_random_uuid(), now())",
        "SELECT jobs.call_scheduled(NULL, gen_random_uuid(), NULL)",
        "SELECT jobs.record_run('x', 'success', NULL)",
        "SELECT jobs.callback_rows(gen_random_uuid())",
        "SELECT jobs.note_absent_row(gen_random_uuid(), '{}', 'order', 'Order')",
        "SELECT FROM jobs.tb_job_run",
        "SELECT jobs.settle_callbacks(ARRAY[1::bigint])",
        "SELECT jobs.settle_callbacks('{1}')",
        "SELECT jobs.retry(gen_random_uuid())",
    ] {
        sqlx::query("SAVEPOINT s").execute(&mut *tx).await?;
        assert_eq!(raised(sqlx::query(sql).execute(&mut *tx).await).0, "42501", "{sql}");
        sqlx::query("ROLLBACK TO s").execute(&mut *tx).await?;
    }
    Ok(())
}

#[tokio::test]
async fn no_function_that_reads_jobs_is_open_to_public_and_none_trusts_the_callers_search_path() -> Result<()> {
    let queue = Queue::new().await?;
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE p.pronamespace = 'jobs'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY 1",
    )
    .fetch_all(queue.db.pool())
    .await?;
    // They compute, or read how an operation stands, and the views need them.
    assert_eq!(
        open,
        [
            "jobs.held_by(integer,uuid)",
            "jobs.lane(boolean,integer,bigint)",
            "jobs.tenant_lane(uuid)",
            "jobs.time_of(uuid)",
            "jobs.usage_figure(jsonb,text)"
        ]
    );
    let trusting: Vec<String> = sqlx::query_scalar(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE p.pronamespace = 'jobs'::regnamespace AND p.prosecdef
            AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)",
    )
    .fetch_all(queue.db.pool())
    .await?;
    assert!(trusting.is_empty(), "{trusting:?}");
    Ok(())
}

#[tokio::test]
async fn a_temporary_table_of_the_same_name_shadows_nothing() -> Result<()> {
    let queue = Queue::new().await?;
    let mut tx = queue.db.begin().await?;
    sqlx::raw_sql(
        "CREATE TEMP TABLE tb_job_run (LIKE jobs.tb_job_run); CREATE TEMP TABLE tb_callback (LIKE jobs.tb_callback);
        SET search_path = pg_temp, public; SELECT jobs.enqueue('pay', 'charge')",
    )
    .execute(&mut *tx)
    .await?;
    assert_eq!(sqlx::query_scalar::<_, i64>("SELECT count(*) FROM pg_temp.tb_job_run").fetch_one(&mut *tx).await?, 0);
    assert_eq!(sqlx::query_scalar::<_, i64>("SELECT count(*) FROM jobs.tb_job_run").fetch_one(&mut *tx).await?, 1);
    Ok(())
}
