//! foreach, over rows and over values.

use serde_json::json;

use crate::support::{Depot, Outcome};

#[tokio::test]
async fn a_loop_over_rows_updates_and_deletes_its_own_row() -> Outcome {
    let depot = Depot::with(&[("a", 1, "new"), ("b", 2, "gone"), ("c", 20, "new")]).await?;
    depot.succeed("restock", json!({"depot": depot.id, "by": 5})).await?;
    // The second update reads what the first one wrote.
    assert_eq!(depot.items().await?, json!({"a/6": [6, "ready"], "c": [20, "new"]}));
    depot.succeed("restock", json!({"depot": depot.id, "by": 100})).await?;
    depot.succeed("restock", json!({"depot": depot.id, "by": 100})).await?;
    assert_eq!(depot.items().await?, json!({"a/6/106": [106, "ready"], "c": [20, "new"]}));
    assert_eq!(depot.call("restock", json!({"depot": depot.id})).await?["status"], "validation:missing_by");
    Ok(())
}

#[tokio::test]
async fn a_loop_over_values_does_its_steps_once_for_each() -> Outcome {
    let depot = Depot::with(&[]).await?;
    let parts = json!([{"n": 1}, 2]);
    let done = depot.succeed("tag_all", json!({"tags": ["z", "y"], "parts": parts})).await?;
    assert_eq!(done["object_data"]["sku"], "y", "the last row of the own entity");
    assert_eq!(
        depot.rows("SELECT sku FROM depot.tb_item ORDER BY pk_item").await?,
        json!([{"sku": "z"}, {"sku": "y"}])
    );
    let kept = depot.rows("SELECT parts FROM depot.tb_depot WHERE name = 'part' ORDER BY pk_depot").await?;
    assert_eq!(kept, json!([{"parts": {"n": 1}}, {"parts": 2}]));

    let nothing = depot.succeed("tag_all", json!({"tags": null})).await?;
    assert_eq!((&nothing["id"], &nothing["object_data"]), (&json!(null), &json!(null)), "no round, no row");
    let wrong = depot.call("tag_all", json!({"tags": ["x"], "parts": {"sku": "p"}})).await?;
    assert_eq!(wrong["status"], "validation:invalid_parts");
    assert_eq!(depot.count("depot.tb_item").await?, 2, "what the first loop did is undone");
    Ok(())
}

#[tokio::test]
async fn a_loop_need_not_read_its_element() -> Outcome {
    let depot = Depot::with(&[]).await?;
    depot.succeed("count_tags", json!({"tags": ["x", "y"], "parts": [null, 2, {}]})).await?;
    assert_eq!(depot.rows("SELECT note FROM depot.tb_depot").await?, json!([{"note": "ttpppdd"}]));
    Ok(())
}

#[tokio::test]
async fn loops_nest_and_return_leaves_all_of_them() -> Outcome {
    let depot = Depot::with(&[("a", 1, "new")]).await?;
    let done = depot.succeed("label", depot.id_of("a").await?).await?;
    assert_eq!(done["message"], "stopped");
    let names = depot.rows("SELECT name, note FROM depot.tb_depot WHERE note IS NOT NULL ORDER BY pk_depot").await?;
    assert_eq!(names, json!([{"name": "b+stop", "note": "a"}]));
    Ok(())
}

#[tokio::test]
async fn the_innermost_loop_over_an_entity_has_its_current_row() -> Outcome {
    let depot = Depot::with(&[("a", 1, "new"), ("b", 1, "new")]).await?;
    depot.succeed("rename_depots", json!({"prefix": "-"})).await?;
    assert_eq!(depot.rows("SELECT name FROM depot.tb_depot").await?, json!([{"name": "-b/-a/depot"}]));
    Ok(())
}

#[tokio::test]
async fn rows_that_a_round_changes_are_not_skipped_by_later_rounds() -> Outcome {
    let items: Vec<String> = (0..60).map(|n| format!("i{n:02}")).collect();
    let items: Vec<(&str, i32, &str)> = items.iter().map(|sku| (sku.as_str(), 0, "new")).collect();
    let depot = Depot::with(&items).await?;
    depot.succeed("touch_all", json!({})).await?;
    assert_eq!(depot.count("depot.tb_item WHERE stock = 60").await?, 60);
    let notes = "depot.tb_depot WHERE note = (pk_depot - 1)::text";
    assert_eq!(depot.count(notes).await?, 60, "each row is as the rounds up to its own have left it");
    Ok(())
}
