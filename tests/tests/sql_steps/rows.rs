//! validate, reject, delete and find.

use serde_json::json;

use crate::support::{Depot, Outcome};

#[tokio::test]
async fn validate_and_reject_end_the_action() -> Outcome {
    let depot = Depot::with(&[("a", 1, "new"), ("b", 0, "new"), ("c", 1, "gone")]).await?;
    depot.succeed("check_item", depot.id_of("a").await?).await?;
    let empty = depot.call("check_item", depot.id_of("b").await?).await?;
    assert_eq!((&empty["status"], &empty["message"]), (&json!("validation:sold_out"), &json!("nothing is left")));
    assert_eq!(depot.call("check_item", depot.id_of("c").await?).await?["status"], "failed:is_gone");
    Ok(())
}

#[tokio::test]
async fn a_hard_delete_removes_the_row_and_a_soft_one_hides_it() -> Outcome {
    let depot = Depot::with(&[("a", 1, "new"), ("b", 1, "new"), ("c", 0, "new")]).await?;
    let dropped = depot.succeed("drop_item", depot.id_of("a").await?).await?;
    assert_eq!(dropped["object_data"]["sku"], "a", "the row as it was");
    assert_eq!(depot.count("depot.tb_item WHERE sku = 'a'").await?, 0);

    let hidden = depot.succeed("hide_item", depot.id_of("b").await?).await?;
    assert_eq!(hidden["object_data"]["sku"], "b");
    assert_eq!(depot.count("depot.tb_item WHERE sku = 'b' AND deleted_at IS NOT NULL").await?, 1);
    assert_eq!(depot.call("hide_item", depot.id_of("b").await?).await?["status"], "not_found");

    let kept = depot.succeed("hide_item", depot.id_of("c").await?).await?;
    assert_eq!(kept["object_data"]["sku"], "c");
    assert_eq!(depot.items().await?, json!({"c": [0, "new"]}));
    Ok(())
}

#[tokio::test]
async fn a_delete_with_a_condition_takes_what_fits_and_nothing_else() -> Outcome {
    let depot = Depot::with(&[("a", 0, "new"), ("b", 1, "gone"), ("c", 1, "new")]).await?;
    sqlx::query("INSERT INTO depot.tb_item (sku) VALUES ('elsewhere')").execute(depot.pool()).await?;
    depot.succeed("sweep", json!({"depot": depot.id})).await?;
    assert_eq!(depot.items().await?, json!({"c": [1, "new"], "elsewhere": [0, "new"]}));
    assert_eq!(depot.count("depot.tb_item WHERE sku = 'a'").await?, 1);
    assert_eq!(depot.count("depot.tb_item WHERE sku = 'b'").await?, 0);
    let unknown = depot.call("sweep", json!({"depot": "018f3f6e-7b0a-7c3e-9d7e-0123456789ab"})).await?;
    assert_eq!(unknown["status"], "validation:unknown_depot");
    Ok(())
}

#[tokio::test]
async fn find_gives_the_live_row_with_the_lowest_key_or_ends_the_action() -> Outcome {
    let depot = Depot::with(&[("a", 7, "new"), ("b", 1, "new")]).await?;
    assert_eq!(depot.succeed("stock_of", json!({"sku": "a"})).await?["object_data"]["stock"], 7);
    let missing = depot.call("stock_of", json!({"sku": "x"})).await?;
    assert_eq!((&missing["status"], &missing["message"]), (&json!("not_found"), &json!("no Item matches")));

    let input = json!({"depot": depot.id});
    assert_eq!(depot.succeed("first_of", input.clone()).await?["message"], "a");
    depot.succeed("delete_item", depot.id_of("a").await?).await?;
    assert_eq!(depot.succeed("first_of", input).await?["message"], "b");
    assert_eq!(depot.call("stock_of", json!({"sku": "a"})).await?["status"], "not_found", "it is deleted");
    Ok(())
}

#[tokio::test]
async fn find_gives_the_first_row_in_its_order_and_one_without_a_value_comes_last() -> Outcome {
    let depot = Depot::with(&[("d", 2, "new"), ("b", 7, "new"), ("a", 7, "new"), ("x", 9, "gone")]).await?;
    sqlx::query("INSERT INTO depot.tb_item (sku, stock, state, fk_depot) VALUES ('n', 0, NULL, 1)")
        .execute(depot.pool())
        .await?;
    let input = json!({"depot": depot.id});
    assert_eq!(depot.succeed("fullest_of", input.clone()).await?["message"], "a d", "not `n`, whose state is NULL");
    depot.succeed("delete_item", depot.id_of("a").await?).await?;
    assert_eq!(depot.succeed("fullest_of", input).await?["message"], "b d");
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_found_under_the_own_name_is_the_current_row() -> Outcome {
    let depot = Depot::with(&[("a", 7, "new"), ("b", 1, "new")]).await?;
    let counted = depot.succeed("count_up", json!({"sku": "b"})).await?;
    assert_eq!((&counted["object_data"]["stock"], &counted["updated_fields"]), (&json!(2), &json!(["stock"])));
    assert_eq!(depot.items().await?, json!({"a": [7, "new"], "b": [2, "new"]}));
    Ok(())
}

#[tokio::test]
async fn an_optional_find_goes_on_without_a_row() -> Outcome {
    let depot = Depot::with(&[]).await?;
    let input = json!({"sku": "a", "depot": depot.id});
    let made = depot.succeed("ensure", input.clone()).await?;
    assert_eq!(made["object_data"]["stock"], 0);
    let known = depot.succeed("ensure", input).await?;
    assert_eq!((&known["id"], &known["object_data"]["stock"]), (&made["id"], &json!(1)));
    assert_eq!(depot.items().await?, json!({"a": [1, "new"]}));
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_found_with_a_lock_is_locked_until_the_end_of_the_transaction() -> Outcome {
    let depot = Depot::with(&[("a", 1, "new"), ("b", 1, "new")]).await?;
    let locked = async |table: &str| -> anyhow::Result<bool> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM depot.{table} FOR NO KEY UPDATE NOWAIT) AS q");
        let asked: Result<i64, _> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(depot.pool()).await;
        match asked {
            Ok(_) => Ok(false),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => Ok(true),
            Err(error) => Err(error.into()),
        }
    };
    for (call, table) in [
        ("app.reserve(NULL, NULL, '{\"sku\": \"a\"}')", "tb_item WHERE sku = 'a'"),
        ("app.hold_depot(NULL, NULL, '{\"name\": \"depot\"}')", "tb_depot"),
    ] {
        let mut transaction = depot.pool().begin().await?;
        let status: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT status FROM {call}")))
            .fetch_one(&mut *transaction)
            .await?;
        assert_eq!(status, "success");
        assert!(locked(table).await?, "{call}");
        assert!(!locked("tb_item WHERE sku = 'b'").await?);
        transaction.rollback().await?;
        assert!(!locked(table).await?);
    }
    assert_eq!(depot.call("hold_depot", json!({"name": "none"})).await?["status"], "success");
    Ok(())
}

#[tokio::test]
async fn of_many_calls_at_the_same_time_as_many_find_the_last_ones_as_there_are() -> Outcome {
    let depot = Depot::with(&[("a", 3, "new")]).await?;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let pool = depot.pool().clone();
        let take = "SELECT status FROM app.reserve(NULL, NULL, '{\"sku\": \"a\"}')";
        calls.spawn(async move { sqlx::query_scalar::<_, String>(take).fetch_one(&pool).await });
    }
    let mut taken = 0;
    while let Some(status) = calls.join_next().await {
        let status = status??;
        taken += i32::from(status == "success");
        assert!(status == "success" || status == "validation:sold_out", "{status}");
    }
    assert_eq!(taken, 3);
    assert_eq!(depot.items().await?, json!({"a": [0, "new"]}));
    Ok(())
}

#[tokio::test]
async fn a_partial_update_leaves_what_is_not_given() -> Outcome {
    let depot = Depot::with(&[("a", 7, "ready")]).await?;
    let mut input = depot.id_of("a").await?;
    input["tags"] = json!(null);
    let changed = depot.succeed("update_item", input.clone()).await?;
    assert_eq!(changed["updated_fields"], json!(["tags"]));
    assert_eq!((&changed["object_data"]["stock"], &changed["object_data"]["tags"]), (&json!(7), &json!(null)));
    input["stock"] = json!(null);
    assert_eq!(depot.call("update_item", input).await?["status"], "validation:invalid_stock");
    Ok(())
}
