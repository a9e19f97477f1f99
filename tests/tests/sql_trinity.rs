//! The columns that every row has, and who fills them.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{PgPool, Row};
use uuid::Uuid;

type Outcome = anyhow::Result<()>;

const ORDER: &str = "
entity: Order
schema: sales
fields:
  total: integer!
  charge_id: text
actions:
  - name: create_order
  - name: update_order
  - name: delete_order
  - name: number_order
    steps:
      - update: Order SET identifier = 'ORD-' || $order.id
  - name: import_order
    input: {number: text!, total: integer!}
    steps:
      - insert: Order
        values: {identifier: $input.number, total: $input.total}
  - name: charge_order
    steps:
      - call_service:
          service: stripe
          operation: create_charge
          input: {amount: $order.total, currency: \"EUR\"}
          on_success:
            - update: Order SET charge_id = $output.id
            - insert: Event
              values: {what: \"charged\"}
---
entity: Event
schema: sales
fields: {what: text!}
";

async fn database() -> anyhow::Result<TestDatabase> {
    compiled::database(&compiled::files(&[("entities/order.yaml", ORDER)])?).await
}

/// Calls an action in the name of a user.
async fn call(pool: &PgPool, action: &str, user: Option<Uuid>, input: Value) -> Result<Value, sqlx::Error> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{action}(NULL, $1, $2) AS r");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(user).bind(input).fetch_one(pool).await
}

/// The users and times that a table's only row names, as JSON.
async fn audit(pool: &PgPool, table: &str) -> Result<Value, sqlx::Error> {
    let sql = format!(
        "SELECT jsonb_build_object('by', ARRAY[created_by, updated_by, deleted_by], 'deleted', deleted_at IS NOT NULL, \
         'later', updated_at > created_at) FROM {table}"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await
}

#[tokio::test]
async fn steps_set_the_identifier_and_rows_show_it() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let made = call(pool, "create_order", None, json!({"total": 1})).await?;
    assert_eq!(made["object_data"]["identifier"], Value::Null);
    let numbered = call(pool, "number_order", None, json!({"id": made["id"]})).await?;
    let expected = format!("ORD-{}", made["id"].as_str().unwrap());
    assert_eq!(numbered["object_data"]["identifier"], json!(expected));
    assert_eq!(numbered["updated_fields"], json!(["identifier"]));
    let keys: String = sqlx::query_scalar("SELECT data ->> 'identifier' FROM sales.v_order").fetch_one(pool).await?;
    assert_eq!(keys, expected);

    let given = json!({"number": "A-1", "total": 2});
    let imported = call(pool, "import_order", None, given.clone()).await?;
    assert_eq!(imported["object_data"]["identifier"], "A-1", "{imported}");
    assert_eq!(call(pool, "import_order", None, given).await?["status"], "conflict:uq_order__identifier");
    Ok(())
}

#[tokio::test]
async fn every_statement_says_who_and_when() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let [maker, editor, remover] = [1, 2, 3].map(Uuid::from_u128);
    let made = call(pool, "create_order", Some(maker), json!({"total": 1})).await?;
    let expected = json!({"by": [maker, maker, null], "deleted": false, "later": false});
    assert_eq!(audit(pool, "sales.tb_order").await?, expected);
    call(pool, "update_order", Some(editor), json!({"id": made["id"], "total": 2})).await?;
    let expected = json!({"by": [maker, editor, null], "deleted": false, "later": true});
    assert_eq!(audit(pool, "sales.tb_order").await?, expected);
    call(pool, "delete_order", Some(remover), json!({"id": made["id"]})).await?;
    let expected = json!({"by": [maker, remover, remover], "deleted": true, "later": true});
    assert_eq!(audit(pool, "sales.tb_order").await?, expected);

    // Each call left a row in the log, with who called and what it changed.
    let log = sqlx::query(
        "SELECT action, entity_type, entity_id, user_id, status, updated_fields FROM app.tb_mutation_audit_log ORDER BY 1",
    )
    .fetch_all(pool)
    .await?;
    let id: Uuid = made["id"].as_str().unwrap().parse()?;
    let told: Vec<(String, Option<Uuid>, Uuid, String)> =
        log.iter().map(|row| (row.get(0), row.get(2), row.get(3), row.get(4))).collect();
    let entry = |action: &str, user| (action.to_owned(), Some(id), user, "success".to_owned());
    assert_eq!(told, [entry("create_order", maker), entry("delete_order", remover), entry("update_order", editor)]);
    assert!(log.iter().all(|row| row.get::<String, _>(1) == "Order"));
    assert_eq!(log[2].get::<Vec<String>, _>(5), ["total"]);
    Ok(())
}

#[tokio::test]
async fn a_callback_writes_in_the_name_of_who_called_the_action() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let [maker, charger] = [1, 2].map(Uuid::from_u128);
    let made = call(pool, "create_order", Some(maker), json!({"total": 1})).await?;
    let charged = call(pool, "charge_order", Some(charger), json!({"id": made["id"]})).await?;
    assert_eq!(charged["status"], "success", "{charged}");
    compiled::complete(pool, &json!({"id": "ch_1"})).await?;
    let charge: String = sqlx::query_scalar("SELECT charge_id FROM sales.tb_order").fetch_one(pool).await?;
    assert_eq!(charge, "ch_1");
    assert_eq!(audit(pool, "sales.tb_order").await?["by"], json!([maker, charger, null]));
    assert_eq!(audit(pool, "sales.tb_event").await?["by"], json!([charger, charger, null]));
    Ok(())
}

#[tokio::test]
async fn helpers_lead_from_a_public_id_to_the_key_and_back() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let made = call(pool, "create_order", None, json!({"total": 1})).await?;
    let id: Uuid = made["id"].as_str().unwrap().parse()?;
    let both =
        "SELECT sales.order_pk($1), sales.order_id((SELECT t.pk_order FROM sales.tb_order AS t WHERE t.id = $1))";
    let found: (Option<i32>, Option<Uuid>) = sqlx::query_as(both).bind(id).fetch_one(pool).await?;
    let key: i32 = sqlx::query_scalar("SELECT pk_order FROM sales.tb_order").fetch_one(pool).await?;
    assert_eq!(found, (Some(key), Some(id)));
    call(pool, "delete_order", None, json!({"id": id})).await?;
    let found: (Option<i32>, Option<Uuid>) = sqlx::query_as(both).bind(id).fetch_one(pool).await?;
    assert_eq!(found, (None, Some(id)), "a deleted row has no key to work with, but still an id");
    assert_eq!(sqlx::query_as::<_, (Option<i32>,)>("SELECT sales.order_pk(NULL)").fetch_one(pool).await?, (None,));
    Ok(())
}

#[tokio::test]
async fn an_input_that_is_left_out_takes_its_default() -> Outcome {
    let entity = "
entity: Order
schema: sales
fields: {total: integer!, note: text, tags: list(text), placed: timestamp}
actions:
  - name: place
    input:
      total: integer! = 10
      note: text = none
      tags: \"list(text) = [a, b]\"
      placed: timestamp = now()
      rush: boolean! = false
    steps:
      - validate: NOT $input.rush
        error: no_rush
      - insert: Order
        values: {total: $input.total, note: $input.note, tags: $input.tags, placed: $input.placed}
";
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", entity)])?).await?;
    let pool = database.pool();
    let placed = call(pool, "place", None, json!({})).await?;
    let row = &placed["object_data"];
    assert_eq!(
        (&row["total"], &row["note"], &row["tags"]),
        (&json!(10), &json!("none"), &json!(["a", "b"])),
        "{placed}"
    );
    assert!(row["placed"].is_string());
    let placed = call(pool, "place", None, json!({"total": 3, "note": null, "tags": []})).await?;
    let row = &placed["object_data"];
    assert_eq!((&row["total"], &row["note"], &row["tags"]), (&json!(3), &Value::Null, &json!([])), "{placed}");
    for (input, status) in [
        (json!({"total": null}), "validation:invalid_total"),
        (json!({"total": "x"}), "validation:invalid_total"),
        (json!({"rush": true}), "validation:no_rush"),
        (json!({"haste": true}), "validation:unknown_field_haste"),
    ] {
        assert_eq!(call(pool, "place", None, input.clone()).await?["status"], status, "{input}");
    }
    Ok(())
}
