//! call and notify.

use serde_json::json;
use sqlx::postgres::PgListener;

use crate::support::{Depot, Outcome};

#[tokio::test]
async fn a_called_action_runs_in_the_same_transaction_and_its_jobs_are_the_callers() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new"), ("b", 5, "new")]).await?;
    let done = depot.succeed("take_twice", json!({"first": "a", "second": "b"})).await?;
    assert_eq!(done["object_data"]["sku"], "copy of a");
    assert_eq!(done["object_data"]["stock"], 3, "what the second call left");
    assert_eq!(
        depot.items().await?,
        json!({"a": [4, "new"], "b": [3, "new"], "copy of a": [3, "new"]}),
        "an omitted input takes its default, and a partial update leaves the rest"
    );
    let jobs = done["extra_metadata"]["jobs"].as_array().unwrap();
    assert_eq!(jobs.iter().map(|job| &job["step"]).collect::<Vec<_>>(), ["told", "told"]);
    let texts = depot.rows("SELECT input_data ->> 'text' AS text FROM jobs.tb_job_run ORDER BY pk_job_run").await?;
    assert_eq!(texts, json!([{"text": "taken"}, {"text": "twice"}]));
    assert_eq!(depot.rows("SELECT name FROM depot.tb_depot").await?, json!([{"name": "taken a b"}]));
    assert_eq!(depot.count("app.tb_mutation_audit_log").await?, 1, "one call, one row");
    Ok(())
}

#[tokio::test]
async fn what_a_called_action_raises_ends_the_caller_too() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new"), ("b", 1, "new")]).await?;
    let failed = depot.call("take_twice", json!({"first": "a", "second": "b"})).await?;
    assert_eq!(failed["status"], "validation:too_few");
    assert_eq!(depot.items().await?, json!({"a": [5, "new"], "b": [1, "new"]}));
    assert_eq!(depot.count("jobs.tb_job_run").await?, 0);
    assert_eq!(depot.call("depot_take", json!({"sku": "x"})).await?["status"], "not_found");
    assert_eq!(depot.succeed("depot_take", json!({"sku": "a"})).await?["extra_metadata"]["jobs"][0]["step"], "told");
    Ok(())
}

#[tokio::test]
async fn a_declared_function_is_called_by_name_and_its_value_has_one() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new")]).await?;
    let mut input = depot.id_of("a").await?;
    input["rate"] = json!("1.5");
    let done = depot.succeed("reprice", input.clone()).await?;
    assert_eq!(done["extra_metadata"]["return"], json!("7.5"));
    assert_eq!(done["object_data"]["depot"], json!(depot.id));
    let names = depot.rows("SELECT name, note FROM depot.tb_depot ORDER BY pk_depot").await?;
    assert_eq!(names, json!([{"name": "depot", "note": "10;10;10;10;"}, {"name": "a", "note": null}]));

    input["rate"] = json!(null);
    assert_eq!(depot.call("reprice", input).await?["status"], "failed:no_price");
    assert_eq!(depot.count("depot.tb_depot").await?, 2, "what a function wrote is undone");
    Ok(())
}

#[tokio::test]
async fn a_notification_is_kept_and_its_id_is_told_to_those_who_listen() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new")]).await?;
    let mut listener = PgListener::connect_with(depot.pool()).await?;
    listener.listen("depot").await?;
    let mut input = depot.id_of("a").await?;
    input["words"] = json!("é".repeat(3000));
    depot.succeed("tell", input.clone()).await?;
    let kept = depot.rows("SELECT id, recipient, message FROM app.tb_notification ORDER BY pk_notification").await?;
    let expected = [("clerk", "it's here; 50%".to_owned()), (&depot.id, "about a".to_owned()), ("a", "é".repeat(3000))];
    for (row, (recipient, message)) in kept.as_array().unwrap().iter().zip(&expected) {
        assert_eq!((&row["recipient"], &row["message"]), (&json!(recipient), &json!(message)));
        let told = tokio::time::timeout(std::time::Duration::from_secs(10), listener.recv()).await??;
        let told: serde_json::Value = serde_json::from_str(told.payload())?;
        assert_eq!(told, json!({"id": row["id"]}), "any role may listen: what was said stands in the row");
    }
    assert_eq!(kept.as_array().unwrap().len(), 3);
    input["words"] = json!(null);
    assert_eq!(depot.call("tell", input).await?["status"], "validation:missing_words");
    assert_eq!(depot.count("app.tb_notification").await?, 3);
    Ok(())
}

#[tokio::test]
async fn a_row_that_a_step_changes_behind_its_variable_is_read_again() -> Outcome {
    let depot = Depot::with(&[("a", 5, "new")]).await?;
    depot.succeed("recount", depot.id_of("a").await?).await?;
    let read = depot.rows("SELECT name, note FROM depot.tb_depot WHERE note IS NOT NULL ORDER BY pk_depot").await?;
    let expected = json!([
        {"name": "where", "note": "15"},
        {"name": "called", "note": "16"},
        // Deleted softly, and read all the same.
        {"name": "found twice", "note": "32 32"},
    ]);
    assert_eq!(read, expected);
    Ok(())
}
