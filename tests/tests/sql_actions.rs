//! Generated actions on a real server: what they answer and what they leave behind.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{PgPool, Row};

type Outcome = anyhow::Result<()>;

/// The database of `sql_actions/order.yaml`, with its operations registered.
async fn database() -> anyhow::Result<TestDatabase> {
    compiled::database(&compiled::files(&[("entities/order.yaml", include_str!("sql_actions/order.yaml"))])?).await
}

/// Calls an action; the whole result as JSON.
async fn call(pool: &PgPool, action: &str, input: Value) -> Result<Value, sqlx::Error> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{action}(NULL, NULL, $1) AS r");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(input).fetch_one(pool).await
}

async fn count(pool: &PgPool, table: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(pool).await
}

#[tokio::test]
async fn a_success_reports_the_row_and_its_job() -> Outcome {
    let database = database().await?;
    let result = call(database.pool(), "place_order", json!({"customer_email": "a@b.eu", "total": 4200})).await?;
    assert_eq!(result["status"], "success", "{result}");
    assert_eq!(result["object_data"]["payment_status"], "unpaid");
    assert_eq!(result["object_data"]["currency"], "EUR");
    assert_eq!(result["object_data"]["id"], result["id"]);
    let job = &result["extra_metadata"]["jobs"][0];
    assert_eq!((&job["service"], &job["deduplicated"]), (&json!("stripe"), &json!(false)));
    assert_eq!(result["extra_metadata"]["job_id"], job["job_id"]);
    let row = sqlx::query("SELECT identifier, entity_type, input_data FROM jobs.tb_job_run")
        .fetch_one(database.pool())
        .await?;
    let id = result["id"].as_str().unwrap();
    assert_eq!(row.get::<String, _>(0), format!("Order_{id}_place_order_1_stripe_create_charge"));
    assert_eq!(row.get::<String, _>(1), "Order");
    assert_eq!(row.get::<Value, _>(2), json!({"amount": 4200, "currency": "EUR"}));
    Ok(())
}

#[tokio::test]
async fn input_that_does_not_fit_is_named() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    for (change, status) in [
        (json!({"customer_email": null}), "validation:missing_customer_email"),
        (json!({"customer_email": "nobody"}), "validation:invalid_customer_email"),
        (json!({"total": "ten"}), "validation:invalid_total"),
        (json!({"total": 42.5}), "validation:invalid_total"),
        (json!({"total": 1e30}), "validation:invalid_total"),
        (json!({"payment_status": "maybe"}), "validation:invalid_payment_status"),
        (json!({"weight": 1.234}), "validation:invalid_weight"),
        (json!({"weight": "NaN"}), "validation:invalid_weight"),
        (json!({"lines": ["a", null]}), "validation:invalid_lines"),
        (json!({"lines": "a"}), "validation:invalid_lines"),
        (json!({"customer": "x"}), "validation:invalid_customer"),
        (json!({"customer": "018f3f6e-7b0a-7c3e-9d7e-0123456789ab"}), "validation:unknown_customer"),
        (json!({"colour": "red"}), "validation:unknown_field_colour"),
    ] {
        let mut input = json!({"customer_email": "a@b.eu", "total": 1});
        for (key, value) in change.as_object().unwrap() {
            input[key] = value.clone();
        }
        let result = call(pool, "place_order", input).await?;
        assert_eq!(result["status"], status, "{change}");
        assert!(result["message"].is_string());
    }
    for payload in [json!([]), json!(null), json!("x")] {
        assert_eq!(call(pool, "place_order", payload).await?["status"], "validation:invalid_payload");
    }
    assert_eq!(count(pool, "sales.tb_order").await?, 0);
    assert_eq!(count(pool, "app.tb_mutation_audit_log").await?, 16);
    Ok(())
}

#[tokio::test]
async fn whatever_ends_an_action_undoes_its_steps_and_its_jobs() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let result = call(pool, "place_order", json!({"customer_email": "a@b.eu", "total": 0})).await?;
    assert_eq!(result["status"], "validation:empty_order");
    assert_eq!(result["message"], "an order's total must be positive");
    assert_eq!(count(pool, "sales.tb_order").await?, 0);
    assert_eq!(count(pool, "jobs.tb_job_run").await?, 0);

    let numbered = json!({"customer_email": "a@b.eu", "total": 1, "number": "n-1"});
    let placed = call(pool, "place_order", numbered.clone()).await?;
    assert_eq!(call(pool, "place_order", numbered).await?["status"], "conflict:uq_order__number");
    assert_eq!(count(pool, "jobs.tb_job_run").await?, 1);
    let rejected = call(pool, "close_order", json!({"id": placed["id"]})).await?;
    assert_eq!(rejected["status"], "failed:not_paid");

    // An error that nobody foresaw is told to the log, not to the caller.
    sqlx::raw_sql("ALTER TABLE sales.tb_order DROP COLUMN charge_id CASCADE").execute(pool).await?;
    let broken = call(pool, "place_order", json!({"customer_email": "a@b.eu", "total": 1})).await?;
    assert_eq!(broken["status"], "failed:unexpected_error");
    assert!(!broken.to_string().contains("charge_id"), "{broken}");
    let sqlstate: String = sqlx::query_scalar(
        "SELECT error_sqlstate FROM app.tb_mutation_audit_log WHERE error_message LIKE '%charge_id%'",
    )
    .fetch_one(pool)
    .await?;
    assert_eq!(sqlstate, "42703");
    Ok(())
}

#[tokio::test]
async fn standard_actions_write_what_is_given() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let made = call(pool, "create_order", json!({"customer_email": "a@b.eu", "total": 1, "weight": "1.50"})).await?;
    assert_eq!(made["status"], "success", "{made}");
    let change = json!({"id": made["id"], "total": 2, "charge_id": null});
    let changed = call(pool, "update_order", change).await?;
    assert_eq!(changed["updated_fields"], json!(["total", "charge_id"]));
    assert_eq!(changed["object_data"]["total"], 2);
    assert_eq!(changed["object_data"]["weight"], "1.50", "a missing key is left alone");
    assert_eq!(changed["object_data"]["currency"], "EUR");
    let emptied = call(pool, "update_order", json!({"id": made["id"], "customer_email": null})).await?;
    assert_eq!(emptied["status"], "validation:invalid_customer_email");

    let deleted = call(pool, "delete_order", json!({"id": made["id"]})).await?;
    assert_eq!(deleted["status"], "success", "{deleted}");
    assert_eq!(deleted["object_data"], changed["object_data"], "the row as it was");
    assert_eq!(count(pool, "sales.tb_order WHERE deleted_at IS NOT NULL").await?, 1);
    assert_eq!(count(pool, "sales.v_order").await?, 0);
    assert_eq!(call(pool, "update_order", json!({"id": made["id"]})).await?["status"], "not_found");
    Ok(())
}

#[tokio::test]
async fn callbacks_write_the_outcome_to_the_row() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    for (end, status) in [
        (
            "jobs.complete($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['{\"id\": \"ch_1\"}'::jsonb], ARRAY[NULL::jsonb])",
            "paid",
        ),
        (
            "jobs.fail($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['permanent_reported'], ARRAY['declined'], \
             ARRAY[NULL::bigint], ARRAY[TRUE], ARRAY[NULL::jsonb])",
            "failed",
        ),
    ] {
        let placed = call(pool, "place_order", json!({"customer_email": "a@b.eu", "total": 5})).await?;
        let worker = uuid::Uuid::new_v4();
        sqlx::query("SELECT jobs.register_worker($1, 'w', '1', '{}')").bind(worker).execute(pool).await?;
        let sql = format!(
            "WITH c AS MATERIALIZED (SELECT * FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1)) \
             SELECT e.result FROM c CROSS JOIN LATERAL {end} AS e"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(worker).fetch_one(pool).await?;
        let id = placed["id"].as_str().unwrap();
        let found: String =
            sqlx::query_scalar("SELECT data ->> 'payment_status' FROM sales.v_order WHERE id = $1::uuid")
                .bind(id)
                .fetch_one(pool)
                .await?;
        assert_eq!(found, status);
    }
    Ok(())
}

#[tokio::test]
async fn money_becomes_the_smallest_unit_of_its_currency() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    for (amount, currency, units) in [
        ("19.99", "EUR", "1999"),
        ("19.9900", "USD", "1999"),
        ("0", "EUR", "0"),
        ("500", "JPY", "500"),
        ("1.234", "KWD", "1234"),
        ("0.0001", "CLF", "1"),
        ("999999999999999.99", "EUR", "99999999999999999"),
        ("7.10", "ZZZ", "710"),
    ] {
        let billed = call(pool, "bill", json!({"amount": amount, "currency": currency})).await?;
        assert_eq!(billed["object_data"]["units"], units, "{amount} {currency}: {billed}");
    }
    for (amount, currency) in [("19.995", "EUR"), ("0.5", "JPY"), ("1.2345", "KWD")] {
        let refused = call(pool, "bill", json!({"amount": amount, "currency": currency})).await?;
        assert_eq!(refused["status"], "validation:fraction_of_minor_unit", "{amount} {currency}");
        assert!(refused["message"].as_str().unwrap().contains(currency), "{refused}");
    }
    assert_eq!(count(pool, "sales.tb_invoice").await?, 8);
    Ok(())
}

#[tokio::test]
async fn a_row_that_a_branch_inserts_is_the_result_when_the_branch_was_taken() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let taken = call(pool, "maybe_order", json!({"customer_email": "a@b.eu", "total": 11})).await?;
    assert_eq!(taken["status"], "success", "{taken}");
    assert_eq!(taken["object_data"]["total"], 11);
    assert_eq!(taken["id"], taken["object_data"]["id"]);
    assert_eq!(taken["extra_metadata"]["jobs"].as_array().unwrap().len(), 1);

    let not = call(pool, "maybe_order", json!({"customer_email": "a@b.eu", "total": 10})).await?;
    assert_eq!(not["status"], "success", "{not}");
    assert_eq!((&not["id"], &not["object_data"]), (&Value::Null, &Value::Null));
    assert_eq!(not["extra_metadata"]["jobs"], json!([]));
    assert_eq!(not["updated_fields"], json!([]));
    assert_eq!((count(pool, "sales.tb_order").await?, count(pool, "jobs.tb_job_run").await?), (1, 1));
    Ok(())
}

/// The action looks at its row, the callback does not: the job belongs to the row all the same.
#[tokio::test]
async fn a_callback_that_does_not_look_at_its_row_still_runs() -> Outcome {
    let project = compiled::files(&[(
        "entities/note.yaml",
        "\
entity: Note
schema: sales
fields: {title: text!, seen: boolean! = false}
actions:
  - name: create_note
  - name: announce
    steps:
      - update: Note SET title = upper(title)
      - call_service:
          service: slack
          operation: post_message
          input: {channel: \"notes\", text: $note.title}
          on_success:
            - update: Note SET seen = TRUE WHERE title = 'HELLO'
",
    )])?;
    let database = compiled::database(&project).await?;
    let pool = database.pool();
    let made = call(pool, "create_note", json!({"title": "hello"})).await?;
    assert_eq!(call(pool, "announce", json!({"id": made["id"]})).await?["status"], "success");
    let worker = uuid::Uuid::new_v4();
    sqlx::query("SELECT jobs.register_worker($1, 'w', '1', '{}')").bind(worker).execute(pool).await?;
    let ended: String = sqlx::query_scalar(
        "WITH c AS MATERIALIZED (SELECT * FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1))
        SELECT e.result FROM c CROSS JOIN LATERAL
            jobs.complete($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['{\"ok\": true}'::jsonb], ARRAY[NULL::jsonb]) AS e",
    )
    .bind(worker)
    .fetch_one(pool)
    .await?;
    assert_eq!(ended, "completed");
    assert_eq!(count(pool, "sales.tb_note WHERE seen").await?, 1);
    Ok(())
}
