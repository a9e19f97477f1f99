//! What is known not to be NULL, in the database: the page's own sample with a value, without one, and with what is no value.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::{app::repository, compiled};

use crate::support::Outcome;

/// The second sample of the page about values that may be NULL, whose rows can be made.
async fn invoices() -> anyhow::Result<TestDatabase> {
    let page = std::fs::read_to_string(repository().join("docs/texts-and-expressions.md"))?;
    let sample = page.split("```yaml\n").nth(2).and_then(|rest| rest.split("```").next()).expect("a second sample");
    let sample = format!("{sample}  - name: create_invoice\n");
    compiled::database(&compiled::files(&[("entities/invoice.yaml", &sample)])?).await
}

async fn call(database: &TestDatabase, action: &str, input: Value) -> anyhow::Result<Value> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{action}(NULL, NULL, $1) AS r");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(input).fetch_one(database.pool()).await?)
}

/// What `send_receipt` answers of an invoice.
async fn receipt(database: &TestDatabase, invoice: Value) -> anyhow::Result<Value> {
    let made = call(database, "create_invoice", invoice).await?;
    call(database, "send_receipt", json!({"id": made["id"]})).await
}

#[tokio::test]
async fn a_step_that_needs_a_value_is_reached_with_one_alone() -> Outcome {
    let database = invoices().await?;
    let paid = json!({"number": "7", "email": "ada@example.eu", "paid_by": "Ada", "paid_at": "2026-02-03T01:02:03Z"});
    let with = |name: &str, value: Value| {
        let mut invoice = paid.clone();
        invoice[name] = value;
        receipt(&database, invoice)
    };
    for (name, value) in [("paid_at", json!(null)), ("paid_by", json!(null)), ("paid_by", json!(""))] {
        assert_eq!(with(name, value).await?["status"], "validation:not_paid", "{name}");
    }
    let jobs = "SELECT coalesce(jsonb_agg(input_data), '[]') FROM jobs.tb_job_run";
    let nobody = with("email", json!(null)).await?;
    assert_eq!((&nobody["status"], &nobody["message"]), (&json!("success"), &json!("No address")));
    assert_eq!(sqlx::query_scalar::<_, Value>(jobs).fetch_one(database.pool()).await?, json!([]));
    let told: String = sqlx::query_scalar("SELECT message FROM app.tb_notification").fetch_one(database.pool()).await?;
    assert_eq!(told, "Ada has no address");

    assert_eq!(receipt(&database, paid.clone()).await?["status"], "success");
    assert_eq!(
        sqlx::query_scalar::<_, Value>(jobs).fetch_one(database.pool()).await?,
        json!([{"to": "ada@example.eu", "from": "billing@example.eu", "subject": "Receipt 7",
            "text": "Ada paid on 2026-02-03T01:02:03Z"}])
    );
    Ok(())
}

/// Orders whose references act when a row is removed.
const TIED: &str = r#"entity: Order
schema: sales
fields:
  number: text!
  note: text
  parent: ref(Order)
  customer: {type: ref(Customer), on_delete: set_null}
actions:
  - name: create_order
  - name: remove_customer
    input: {customer: uuid!}
    steps: [{delete: Customer WHERE id = $input.customer, hard: true}]
  - name: remove_by_another
    input: {customer: uuid!}
    steps: [{call: remove_customer(customer = $input.customer)}]
  - name: lose_customer
    steps:
      - delete: Customer WHERE id = $order.customer
        hard: true
      - if: customer IS NULL
        then: [{return: "{$order.number} has nobody"}]
        else: [{return: still somebody}]
  - name: lose_by_calls
    steps:
      - validate: customer IS NOT NULL
      - call: remove_by_another(customer = $order.customer)
      - return: coalesce($order.customer.name, 'nobody')
  - name: lose_in_a_loop
    input: {id: uuid!, rounds: list(text)}
    steps:
      - foreach: round in $input.rounds
        do:
          - insert: Out
            values: {words: {$expr: "coalesce($order.customer.name, 'nobody')"}}
          - delete: Customer WHERE name = 'Ada'
            hard: true
  - name: lose_kid
    steps:
      - find: Kid WHERE order = $order
        as: kid
      - delete: Order
        hard: true
      - return: coalesce($kid.note, 'gone')
  - name: go_up
    steps:
      - find: Order WHERE id = $order.parent
      - insert: Out
        values: {words: {$expr: "coalesce($order.parent.number, 'top') || ' above ' || $order.number"}}
  - name: name_like_notes
    steps:
      - foreach: same in find Order WHERE number = $order.note
        do:
          - insert: Out
            values: {words: {$expr: "concat($same.number, ' ', coalesce($same.note, 'nothing'))"}}
  - name: hard_order
    steps: [{delete: Order, hard: true}]
  - name: keep_one
    steps:
      - foreach: each in find Order
        do:
          - if: $each IS NOT NULL
            then:
              - insert: Out
                values: {words: $each.number}
          - delete: Order WHERE id <> $each.id
            hard: true
  - name: as_it_was
    steps:
      - delete: Order
        hard: true
      - return: "it was {$order.number}"
  - name: by_a_call
    steps:
      - call: hard_order(id = $order.id)
      - if: $order IS NULL
        then: [{return: it is gone}]
        else: [{return: it is there}]
---
entity: Customer
schema: sales
fields: {name: text!, email: email}
actions: [{name: create_customer}]
---
entity: Kid
schema: sales
fields: {note: text, order: {type: ref(Order), on_delete: cascade}}
actions: [{name: create_kid}]
---
entity: Out
schema: sales
fields: {words: text!}
"#;

#[tokio::test]
async fn what_refers_to_a_removed_row_is_read_again() -> Outcome {
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", TIED)])?).await?;
    let order = async || -> anyhow::Result<Value> {
        let customer = call(&database, "create_customer", json!({"name": "Ada"})).await?;
        let order = call(&database, "create_order", json!({"number": "7", "customer": customer["id"]})).await?;
        call(&database, "create_kid", json!({"note": "small", "order": order["id"]})).await?;
        Ok(json!({"id": order["id"]}))
    };
    for (action, said) in [("lose_customer", "7 has nobody"), ("lose_by_calls", "nobody"), ("lose_kid", "gone")] {
        let answer = call(&database, action, order().await?).await?;
        assert_eq!((&answer["status"], &answer["message"]), (&json!("success"), &json!(said)), "{action}");
    }
    let mut input = order().await?;
    input["rounds"] = json!(["one", "two"]);
    let answer = call(&database, "lose_in_a_loop", input).await?;
    assert_eq!(answer["status"], "success", "{answer}");
    let words = "SELECT jsonb_agg(words ORDER BY pk_out) FROM sales.tb_out";
    let words: Value = sqlx::query_scalar(words).fetch_one(database.pool()).await?;
    assert_eq!(words, json!(["Ada", "nobody"]));
    Ok(())
}

#[tokio::test]
async fn a_condition_asks_the_row_that_had_the_name_before() -> Outcome {
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", TIED)])?).await?;
    let top = call(&database, "create_order", json!({"number": "A"})).await?;
    let low = call(&database, "create_order", json!({"number": "B", "note": "A", "parent": top["id"]})).await?;
    for action in ["go_up", "name_like_notes"] {
        let answer = call(&database, action, json!({"id": low["id"]})).await?;
        assert_eq!(answer["status"], "success", "{answer}");
    }
    let words = "SELECT jsonb_agg(words ORDER BY pk_out) FROM sales.tb_out";
    let words: Value = sqlx::query_scalar(words).fetch_one(database.pool()).await?;
    assert_eq!(words, json!(["top above A", "A nothing"]));
    let unasked = TIED.replace("coalesce($order.parent.number, 'top')", "$order.parent.number");
    assert_ne!(unasked, TIED);
    let refused = compiled::files(&[("entities/order.yaml", &unasked)]).expect_err("its own parent may be missing");
    assert!(refused.to_string().contains("SQ0304"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_variable_holds_nothing_once_its_row_was_removed_behind_its_back() -> Outcome {
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", TIED)])?).await?;
    let order = async |number: &str| call(&database, "create_order", json!({"number": number})).await;
    for (action, said) in [("as_it_was", "it was 7"), ("by_a_call", "it is gone")] {
        let answer = call(&database, action, json!({"id": order("7").await?["id"]})).await?;
        assert_eq!((&answer["status"], &answer["message"]), (&json!("success"), &json!(said)), "{action}");
    }
    for number in ["A", "B", "C"] {
        order(number).await?;
    }
    let answer = call(&database, "keep_one", json!({})).await?;
    assert_eq!(answer["status"], "success", "{answer}");
    let left = "SELECT jsonb_build_array((SELECT jsonb_agg(words) FROM sales.tb_out), (SELECT jsonb_agg(number) FROM sales.tb_order))";
    let left: Value = sqlx::query_scalar(left).fetch_one(database.pool()).await?;
    assert_eq!(left, json!([["A"], ["A"]]));
    Ok(())
}
