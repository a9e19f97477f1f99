//! Steps in callbacks, and calls in loops.

use serde_json::json;

use crate::support::{Depot, Outcome};

const FAIL: &str = "jobs.fail($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['permanent_reported'], ARRAY['declined'], \
                    ARRAY[NULL::bigint], ARRAY[TRUE], ARRAY[NULL::jsonb])";
const COMPLETE: &str = "jobs.complete($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['{\"ok\": true}'::jsonb], \
                        ARRAY[NULL::jsonb])";

/// Ends the oldest job that is ready; what the queue says.
async fn end(depot: &Depot, end: &str) -> anyhow::Result<String> {
    let worker = uuid::Uuid::new_v4();
    sqlx::query("SELECT jobs.register_worker($1, 'w', '1', '{}')").bind(worker).execute(depot.pool()).await?;
    let sql = format!(
        "WITH c AS MATERIALIZED (SELECT * FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1)) \
         SELECT e.result FROM c CROSS JOIN LATERAL {end} AS e"
    );
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(worker).fetch_one(depot.pool()).await?)
}

#[tokio::test]
async fn a_call_in_a_loop_is_told_from_those_of_other_rounds() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new"), ("b", 0, "new")]).await?;
    let (a, b) = (depot.item("a").await?, depot.item("b").await?);
    let input = json!({"depot": depot.id});
    let done = depot.succeed("report", input.clone()).await?;
    let jobs = done["extra_metadata"]["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 2);
    let runs = depot.rows("SELECT identifier FROM jobs.tb_job_run ORDER BY pk_job_run").await?;
    let identifier = |id: &str| format!("Item_{id}_report_1_slack_post_message_{id}");
    assert_eq!(runs, json!([{"identifier": identifier(&a)}, {"identifier": identifier(&b)}]));
    let again = depot.succeed("report", input).await?;
    let again = again["extra_metadata"]["jobs"].as_array().unwrap();
    assert!(again.iter().all(|job| job["deduplicated"] == true), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn callbacks_find_loop_delete_notify_call_and_return() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new"), ("b", 0, "new")]).await?;
    depot.succeed("report", json!({"depot": depot.id})).await?;
    assert_eq!(end(&depot, COMPLETE).await?, "completed");
    assert_eq!(depot.items().await?, json!({"a": [4, "new"]}), "`b` is deleted, and one of `a` is taken");
    let told = depot.rows("SELECT recipient, message FROM app.tb_notification ORDER BY pk_notification").await?;
    assert_eq!(
        told,
        json!([{"recipient": "a", "message": "reported depot"}, {"recipient": "clerk", "message": "taken"}])
    );
    assert_eq!(depot.rows("SELECT name FROM depot.tb_depot").await?, json!([{"name": "reported"}]));
    assert_eq!(depot.count("jobs.tb_job_run").await?, 4, "the called action's and the nested one");

    // The second item has no depot any more: its callback returns at once.
    sqlx::query("UPDATE depot.tb_item SET fk_depot = NULL").execute(depot.pool()).await?;
    assert_eq!(end(&depot, COMPLETE).await?, "completed");
    assert_eq!(depot.count("app.tb_notification").await?, 2);
    // The called action's job has no callback; that of the nested call works on the row of the first.
    assert_eq!(end(&depot, COMPLETE).await?, "completed");
    assert_eq!(end(&depot, COMPLETE).await?, "completed");
    assert_eq!(depot.items().await?, json!({"a": [4, "gone"]}));
    Ok(())
}

/// `on_failure` of `report` does not work on the row that its call was queued for.
#[tokio::test]
async fn a_callback_that_rejects_is_tried_again() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new")]).await?;
    depot.succeed("report", json!({"depot": depot.id})).await?;
    assert_eq!(end(&depot, FAIL).await?, "callback_waiting");
    assert_eq!(depot.items().await?, json!({"a": [5, "new"]}));
    Ok(())
}

#[tokio::test]
async fn calls_in_a_loop_over_values_are_queued_once_for_each() -> Outcome {
    let depot = Depot::with(&[]).await?;
    let done = depot.succeed("report", json!({"depot": depot.id, "words": ["x", "y", "x"]})).await?;
    let jobs = done["extra_metadata"]["jobs"].as_array().unwrap();
    assert_eq!(
        jobs.iter().map(|job| (&job["step"], &job["deduplicated"])).collect::<Vec<_>>(),
        [(&json!("said"), &json!(false)), (&json!("said"), &json!(false)), (&json!("said"), &json!(false)),]
    );
    Ok(())
}
