//! Whatever ends an action other than success: no row, no notification and no job of it remains, and the audit row does.

use serde_json::json;
use sqlx::postgres::PgListener;

use crate::support::{Depot, Outcome};

#[tokio::test]
async fn of_an_action_that_fails_only_the_audit_row_remains() -> Outcome {
    let depot = Depot::with(&[("kept", 3, "new")]).await?;
    let mut listener = PgListener::connect_with(depot.pool()).await?;
    listener.listen("depot").await?;
    sqlx::query("DELETE FROM jobs.tb_operation WHERE service_name = 'sendgrid'").execute(depot.pool()).await?;
    // Somebody else's trigger, of which the action knows nothing.
    sqlx::raw_sql(
        "CREATE FUNCTION depot.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON depot.tb_item FOR EACH ROW WHEN (NEW.state = 'ready')
             EXECUTE FUNCTION depot.refuse()",
    )
    .execute(depot.pool())
    .await?;
    let unknown = "018f3f6e-7b0a-7c3e-9d7e-0123456789ab";
    for (how, status) in [
        ("validation", "validation:too_few"),
        ("not_found", "not_found"),
        ("conflict", "conflict:uq_item__sku"),
        ("reject", "failed:never"),
        ("unexpected", "failed:unexpected_error"),
        ("division", "failed:division_by_zero"),
        ("not_implemented", "failed:not_implemented"),
        ("called", "validation:too_few"),
        ("unknown_ref", "validation:unknown_missing"),
        ("unknown_operation", "failed:unknown_operation"),
    ] {
        sqlx::query("TRUNCATE app.tb_mutation_audit_log").execute(depot.pool()).await?;
        let result = depot.call("fail", json!({"sku": "made", "how": how, "missing": unknown})).await?;
        assert_eq!(result["status"], status, "{how}: {result}");
        assert_eq!((&result["id"], &result["object_data"]), (&json!(null), &json!(null)), "{how}");
        assert_eq!(result["extra_metadata"]["jobs"], json!([]), "{how}");
        assert_eq!(depot.items().await?, json!({"kept": [3, "new"]}), "{how}: a row remains");
        assert_eq!(depot.count("depot.tb_item").await?, 1, "{how}: a row remains");
        assert_eq!(depot.count("app.tb_notification").await?, 0, "{how}: a notification remains");
        assert_eq!(depot.count("jobs.tb_job_run").await?, 0, "{how}: a job remains");
        let audit = depot.rows("SELECT action, status FROM app.tb_mutation_audit_log").await?;
        assert_eq!(audit, json!([{"action": "fail", "status": status}]), "{how}");
    }
    // The same steps without the failure leave all of it, and nobody has heard of the failures.
    let done = depot.succeed("fail", json!({"sku": "made", "how": "not at all"})).await?;
    assert_eq!(done["extra_metadata"]["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(depot.items().await?, json!({"kept": [5, "new"], "made": [1, "new"]}));
    assert_eq!((depot.count("app.tb_notification").await?, depot.count("jobs.tb_job_run").await?), (1, 1));
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), listener.recv()).await??;
    let kept: String = sqlx::query_scalar("SELECT id::text FROM app.tb_notification").fetch_one(depot.pool()).await?;
    assert!(told.payload().contains(&kept));
    let silence = tokio::time::timeout(std::time::Duration::from_millis(300), listener.recv()).await;
    assert!(silence.is_err(), "a second notification was sent");
    Ok(())
}

/// Whichever rows there are, and whichever index PostgreSQL goes by to find none.
#[tokio::test]
async fn a_condition_that_names_a_row_which_is_not_there_ends_the_action() -> Outcome {
    let depot = Depot::with(&[]).await?;
    let mut connection = depot.pool().acquire().await?;
    let unknown = "018f3f6e-7b0a-7c3e-9d7e-0123456789ab";
    for indexes in ["on", "off"] {
        let set = format!("SET enable_indexscan = {indexes}; SET enable_bitmapscan = {indexes}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut *connection).await?;
        for action in ["sweep", "first_of", "restock", "report"] {
            let input = match action {
                "restock" => json!({"depot": unknown, "by": 1}),
                _ => json!({"depot": unknown}),
            };
            let sql = format!("SELECT status FROM app.{action}(NULL, NULL, $1)");
            let status: String =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(input).fetch_one(&mut *connection).await?;
            assert_eq!(status, "validation:unknown_depot", "{action}, with indexes {indexes}");
        }
    }
    Ok(())
}
