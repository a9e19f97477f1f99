//! Expressions on a real server: every operator and every function, with values and with NULL, and paths through references.

mod cases;

use cases::{SAMPLE, cases, filled};
use serde_json::{Value, json};
use specql_compiler::internals::model::function::FUNCTIONS;
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::PgPool;

type Outcome = anyhow::Result<()>;

/// Calls an action; the whole result as JSON.
async fn call(pool: &PgPool, action: &str, input: &Value) -> Result<Value, sqlx::Error> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{action}(NULL, NULL, $1) AS r");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(input).fetch_one(pool).await
}

/// The same; the reported row.
async fn row(pool: &PgPool, action: &str, input: &Value) -> anyhow::Result<Value> {
    let result = call(pool, action, input).await?;
    anyhow::ensure!(result["status"] == "success", "{action} {input}: {result}");
    Ok(result["object_data"].clone())
}

async fn database(entities: &str) -> anyhow::Result<TestDatabase> {
    compiled::database(&compiled::files(&[("entities/all.yaml", entities)])?).await
}

/// A text as a YAML scalar.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[tokio::test]
async fn every_operator_and_function_computes_what_sql_does() -> Outcome {
    let cases = cases();
    let mut entities = SAMPLE.to_owned();
    for (index, (expression, ..)) in cases.iter().enumerate() {
        // A bare name is a column of the statement; `twin.i` is a path from the row.
        let expression = expression.replace("twin.", "$sample.twin.");
        let step = quoted(&format!("Sample SET result = jsonb_build_array({expression})"));
        entities.push_str(&format!("  - name: probe_{index}\n    steps: [{{update: {step}}}]\n"));
    }
    entities.push_str("  - name: link_twin\n    steps: [{update: Sample SET twin = id}]\n");
    let database = database(&entities).await?;
    let pool = database.pool();
    let full = row(pool, "create_sample", &filled()).await?;
    row(pool, "link_twin", &json!({"id": full["id"]})).await?;
    let empty = row(pool, "create_sample", &json!({})).await?;
    let mut wrong = Vec::new();
    for (index, (expression, value, of_nulls)) in cases.iter().enumerate() {
        for (of, expected) in [(&full, value), (&empty, of_nulls)] {
            let result = call(pool, &format!("probe_{index}"), &json!({"id": of["id"]})).await?;
            let found = match result["status"].as_str() {
                Some("success") => result["object_data"]["result"][0].clone(),
                _ => json!("refused"),
            };
            if !same(&found, expected) {
                wrong.push(format!("{expression} is {found}, not {expected}: {}", result["status"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for function in FUNCTIONS {
        let called = format!("{}(", function.name);
        assert!(cases.iter().any(|(expression, ..)| expression.contains(&called)), "{} is in no case", function.name);
    }
    Ok(())
}

/// Equal, numbers by their value.
fn same(found: &Value, expected: &Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
        _ => found == expected,
    }
}

#[tokio::test]
async fn what_cannot_be_computed_fails_and_changes_nothing() -> Outcome {
    let database = database(
        "
entity: Sample
schema: lab
fields: {i: integer!, j: integer!, m: money}
actions:
  - name: create_sample
  - name: divide
    steps: [{update: Sample SET i = i / j}]
  - name: multiply
    steps: [{update: Sample SET i = i * j}]
  - name: pay
    steps: [{update: Sample SET m = m - 1}]
",
    )
    .await?;
    let pool = database.pool();
    let made = row(pool, "create_sample", &json!({"i": 2_000_000_000, "j": 0, "m": 0})).await?;
    let id = json!({"id": made["id"]});
    assert_eq!(call(pool, "divide", &id).await?["status"], "failed:division_by_zero");
    sqlx::query("UPDATE lab.tb_sample SET j = 2").execute(pool).await?;
    assert_eq!(call(pool, "multiply", &id).await?["status"], "failed:out_of_range");
    // A value that the type of its field does not allow is the constraint's.
    assert_eq!(call(pool, "pay", &id).await?["status"], "validation:ck_sample__m");
    let i: i32 = sqlx::query_scalar("SELECT i FROM lab.tb_sample").fetch_one(pool).await?;
    assert_eq!(i, 2_000_000_000);
    Ok(())
}

const FUNCTIONS_OF_A_SHOP: &str = "
entity: Order
schema: sales
fields: {total: money!, tax: money, label: text, buyer: ref(crm.Customer)}
functions:
  tax: {args: {amount: money!, rate: decimal}, returns: money!, volatility: immutable}
  label: {args: {who: ref(crm.Customer)}, returns: text, volatility: stable, schema: legacy}
  best_customer: {args: {}, returns: ref(crm.Customer), volatility: stable}
actions:
  - name: create_order
  - name: tax_order
    input: {id: uuid!, rate: decimal}
    steps:
      - update: Order SET tax = tax(total, $input.rate), label = label($order.buyer)
  - name: give_away
    steps: [{update: Order SET buyer = best_customer()}]
  - name: check_order
    input: {amount: money!}
    steps: [{validate: \"tax($input.amount, 10) < 5\", error: too_much}]
---
entity: Customer
schema: crm
fields: {name: text!}
actions:
  - name: create_customer
  - name: probe_customer
    steps: [{validate: \"next_number() > 0\"}]
functions:
  next_number: {returns: bigint!}
";

#[tokio::test]
async fn declared_functions_are_called_with_what_they_take() -> Outcome {
    let database = database(FUNCTIONS_OF_A_SHOP).await?;
    let pool = database.pool();
    sqlx::raw_sql(
        "CREATE FUNCTION sales.tax(amount NUMERIC, rate NUMERIC) RETURNS NUMERIC LANGUAGE sql IMMUTABLE
             AS $$ SELECT amount * coalesce(rate, 20) / 100 $$;
         CREATE SCHEMA legacy;
         CREATE FUNCTION legacy.label(who UUID) RETURNS TEXT LANGUAGE sql STABLE
             AS $$ SELECT 'for ' || c.name FROM crm.tb_customer AS c WHERE c.id = who $$;
         CREATE FUNCTION sales.best_customer() RETURNS UUID LANGUAGE sql STABLE
             AS $$ SELECT c.id FROM crm.tb_customer AS c ORDER BY c.pk_customer DESC LIMIT 1 $$;
         CREATE SEQUENCE crm.numbers;
         CREATE FUNCTION crm.next_number() RETURNS BIGINT LANGUAGE sql VOLATILE AS $$ SELECT nextval('crm.numbers') $$;",
    )
    .execute(pool)
    .await?;
    let ann = row(pool, "create_customer", &json!({"name": "Ann"})).await?;
    let ben = row(pool, "create_customer", &json!({"name": "Ben"})).await?;
    let order = row(pool, "create_order", &json!({"total": "10", "buyer": ann["id"]})).await?;
    let taxed = row(pool, "tax_order", &json!({"id": order["id"], "rate": "7"})).await?;
    assert_eq!((&taxed["tax"], &taxed["label"]), (&json!("0.7000"), &json!("for Ann")));
    let taxed = row(pool, "tax_order", &json!({"id": order["id"]})).await?;
    assert_eq!(taxed["tax"], "2.0000", "NULL is what the function makes of it");
    let given = row(pool, "give_away", &json!({"id": order["id"]})).await?;
    assert_eq!(given["buyer"], ben["id"]);
    assert_eq!(call(pool, "check_order", &json!({"amount": "49"})).await?["status"], "success");
    assert_eq!(call(pool, "check_order", &json!({"amount": "51"})).await?["status"], "validation:too_much");

    // What PostgreSQL may assume of an action follows from what its functions say of themselves.
    row_less(pool, "probe_customer").await?;
    let kinds: Vec<(String, String)> = sqlx::query_as(
        "SELECT p.proname::text, p.provolatile::text FROM pg_proc AS p \
         WHERE p.proname IN ('check_order', 'probe_customer') AND p.pronamespace <> 'app'::regnamespace ORDER BY 1",
    )
    .fetch_all(pool)
    .await?;
    assert_eq!(kinds, [("check_order".into(), "i".into()), ("probe_customer".into(), "v".into())]);
    Ok(())
}

/// Calls an action that takes nothing and reports no row.
async fn row_less(pool: &PgPool, action: &str) -> Outcome {
    let result = call(pool, action, &json!({})).await?;
    anyhow::ensure!(result["status"] == "success", "{action}: {result}");
    Ok(())
}

const CHAIN: &str = "
entity: Order
schema: sales
fields: {total: integer!, note: text, customer: ref(crm.Customer)}
actions:
  - name: create_order
  - name: greet
    steps:
      - validate: $order.customer.country.code <> 'XX'
        error: unknown_country
      - update: Order SET note = $order.customer.country.name || '/' || $order.customer.name
  - name: raise_all
    input: {customer: ref(crm.Customer)!}
    steps:
      - update: Order SET total = total + 1 WHERE customer = $input.customer AND note = $input.customer.country.name
  - name: pay
    steps:
      - call_service:
          service: stripe
          operation: create_charge
          input: {amount: $order.total, currency: \"EUR\"}
          correlation_field: $order.customer.country.code
          on_success:
            - if: $order.customer.country.code = 'PT'
              then:
                - update: Order SET note = $order.customer.country.name || ' ' || $output.id || ' ' || $job.attempts
          on_failure:
            - update: Order SET note = $error.kind || ', ' || $error.message || ' in ' || $order.customer.country.code
---
entity: Customer
schema: crm
fields: {name: text!, country: ref(Country)!}
actions: [{name: create_customer}]
---
entity: Country
schema: crm
fields: {code: text!, name: text!}
actions: [{name: create_country}]
";

#[tokio::test]
async fn a_path_leads_through_two_references_wherever_it_stands() -> Outcome {
    let database = database(CHAIN).await?;
    let pool = database.pool();
    let country = row(pool, "create_country", &json!({"code": "PT", "name": "Portugal"})).await?;
    let customer = row(pool, "create_customer", &json!({"name": "Ann", "country": country["id"]})).await?;
    let order = row(pool, "create_order", &json!({"total": 5, "customer": customer["id"]})).await?;
    let lone = row(pool, "create_order", &json!({"total": 7, "note": "Portugal"})).await?;
    let id = json!({"id": order["id"]});
    // A step: and NULL, not an error, where a reference leads nowhere.
    assert_eq!(row(pool, "greet", &id).await?["note"], "Portugal/Ann");
    assert_eq!(call(pool, "greet", &json!({"id": lone["id"]})).await?["status"], "validation:unknown_country");
    // `WHERE`.
    sqlx::query("UPDATE sales.tb_order SET note = 'Portugal'").execute(pool).await?;
    let raised = call(pool, "raise_all", &json!({"customer": customer["id"]})).await?;
    assert_eq!(raised["status"], "success", "{raised}");
    let totals: Vec<i32> = sqlx::query_scalar("SELECT total FROM sales.tb_order ORDER BY 1").fetch_all(pool).await?;
    assert_eq!(totals, [6, 7], "only the customer's own order");
    // Callbacks, and what they are given.
    let paid = call(pool, "pay", &id).await?;
    assert_eq!(paid["status"], "success", "{paid}");
    let correlation: String = sqlx::query_scalar("SELECT correlation_id FROM jobs.tb_job_run").fetch_one(pool).await?;
    assert_eq!(correlation, "PT");
    assert_eq!(compiled::complete(pool, &json!({"id": "ch_1"})).await?, "completed");
    let note = "SELECT data ->> 'note' FROM sales.v_order WHERE data ->> 'customer' IS NOT NULL";
    assert_eq!(sqlx::query_scalar::<_, String>(note).fetch_one(pool).await?, "Portugal ch_1 1");
    sqlx::query("DELETE FROM jobs.tb_job_key").execute(pool).await?;
    call(pool, "pay", &id).await?;
    assert_eq!(compiled::fail(pool, "declined").await?, "failed");
    let said: String = sqlx::query_scalar(note).fetch_one(pool).await?;
    assert_eq!(said, "permanent_reported, declined in PT");
    Ok(())
}

const SHIPPED: &str = "
entity: Order
schema: sales
fields: {sku: text!, total: integer!, note: text, tags: list(text), extra: json, customer: ref(Customer)!}
actions:
  - name: create_order
  - name: tag_order
    steps:
      - update: Order
        set: {tags: [sku, \"x\"], extra: {total: {$expr: \"total + 1\"}, who: customer, deep: [note, 1, true], plain: [1]}}
  - name: ship_order
    input: {id: uuid!, note: text}
    steps:
      - call_service:
          service: shipping
          operation: ship
          input:
            lines: [{sku: $order.sku, quantity: 2, note: $input.note}, {sku: \"gift\", quantity: $order.total}]
            tags: [$order.sku, $order.customer]
            extra: {order: $order, total: $order.total, none: $order.note}
---
entity: Customer
schema: sales
fields: {name: text!}
actions: [{name: create_customer}]
";

const SHIPPING: &str = "
services:
  - name: shipping
    execution_type: http
    runner_config: {base_url: \"https://shipping.example.com\"}
    operations:
      - name: ship
        input_schema:
          lines: [{sku: text!, quantity: integer!, note: text}]
          tags: list(text)
          extra: json
        method: POST
        path: /ship
        idempotency_header: Idempotency-Key
";

#[tokio::test]
async fn lists_and_objects_hold_expressions() -> Outcome {
    let files = [("entities/order.yaml", SHIPPED), ("registry/shipping.yaml", SHIPPING)];
    let database = compiled::database(&compiled::files(&files)?).await?;
    let pool = database.pool();
    let customer = row(pool, "create_customer", &json!({"name": "Ann"})).await?;
    let given = json!({"sku": "a-1", "total": 3, "customer": customer["id"]});
    let order = row(pool, "create_order", &given).await?;
    let tagged = row(pool, "tag_order", &json!({"id": order["id"]})).await?;
    assert_eq!(tagged["tags"], json!(["a-1", "x"]));
    let extra = json!({"total": 4, "who": customer["id"], "deep": [null, 1, true], "plain": [1]});
    assert_eq!(tagged["extra"], extra);

    let shipped = call(pool, "ship_order", &json!({"id": order["id"], "note": "soon"})).await?;
    assert_eq!(shipped["status"], "success", "{shipped}");
    let sent: Value = sqlx::query_scalar("SELECT input_data FROM jobs.tb_job_run").fetch_one(pool).await?;
    let expected = json!({
        "lines": [{"sku": "a-1", "quantity": 2, "note": "soon"}, {"sku": "gift", "quantity": 3}],
        "tags": ["a-1", customer["id"]],
        "extra": {"order": order["id"], "total": 3, "none": null}
    });
    assert_eq!(sent, expected);
    Ok(())
}

const LETTER: &str = "
entity: Letter
schema: lab
fields:
  name: text!
  d: 'decimal(10,2)!'
  free: decimal!
  m: money!
  n: bigint!
  f: float!
  o: boolean!
  at: timestamp!
  day: date!
  k: 'enum(red, green)!'
  note: text
  before: ref(Letter)
  said: text
  count: integer = 0
actions:
  - name: create_letter
  - name: write_letter
    steps:
      - update: Letter
        set:
          said: >-
            {$letter.name}|{$letter.d}|{$letter.free}|{$letter.m}|{$letter.n}|{$letter.f}|{$letter.o}|{$letter.at}|{$letter.day}|{$letter.k}|{$letter.note
            ?? none}|{$letter.before ??}|{$letter.before.name ?? first}|{$letter.id}|{{$letter.id}
  - name: refuse_letter
    input: {id: uuid!, count: integer!}
    steps:
      - validate: $input.count < 3
        error: too_many
        message: \"{$input.count} letters are more than {$letter.count ?? no} and two\"
      - update: Letter SET count = $input.count
      - return: Letter {$letter.name} has {$input.count} now
";

#[tokio::test]
async fn a_value_in_a_text_is_written_in_one_way_whatever_the_session_says() -> Outcome {
    let database = database(LETTER).await?;
    let pool = database.pool();
    let input = json!({"name": "it's {$letter.note} %s $1", "d": "5", "free": "1.50", "m": "2.5", "n": 9_007_199_254_740_993_i64,
        "f": 0.1, "o": true, "at": "2026-02-03T04:05:06.5+02:00", "day": "2026-02-03", "k": "red"});
    let first = row(pool, "create_letter", &input).await?;
    let mut second = input.clone();
    second["before"] = first["id"].clone();
    second["note"] = json!("a note");
    let second = row(pool, "create_letter", &second).await?;
    let mut session = pool.acquire().await?;
    sqlx::raw_sql("SET DateStyle = 'German'; SET TimeZone = 'Asia/Kolkata'; SET extra_float_digits = 1")
        .execute(&mut *session)
        .await?;
    let written = async |session: &mut sqlx::PgConnection, letter: &Value| -> anyhow::Result<String> {
        sqlx::query("SELECT app.write_letter(NULL, NULL, $1)")
            .bind(json!({"id": letter["id"]}))
            .execute(&mut *session)
            .await?;
        let sql = "SELECT said FROM lab.tb_letter WHERE id = $1::uuid";
        Ok(sqlx::query_scalar(sql).bind(letter["id"].as_str()).fetch_one(session).await?)
    };
    let values =
        "it's {$letter.note} %s $1|5.00|1.50|2.5000|9007199254740993|0.1|true|2026-02-03T02:05:06.5Z|2026-02-03|red";
    let id = |letter: &Value| letter["id"].as_str().unwrap().to_owned();
    assert_eq!(
        written(&mut session, &first).await?,
        format!("{values}|none||first|{}|{{$letter.id}}", id(&first)),
        "what comes in is not read again"
    );
    assert_eq!(
        written(&mut session, &second).await?,
        format!("{values}|a note|{}|it's {{$letter.note}} %s $1|{}|{{$letter.id}}", id(&first), id(&second))
    );

    let refused = call(pool, "refuse_letter", &json!({"id": first["id"], "count": 5})).await?;
    assert_eq!(
        (&refused["status"], &refused["message"]),
        (&json!("validation:too_many"), &json!("5 letters are more than 0 and two"))
    );
    let allowed = call(pool, "refuse_letter", &json!({"id": first["id"], "count": 2})).await?;
    assert_eq!(allowed["message"], "Letter it's {$letter.note} %s $1 has 2 now");
    Ok(())
}

#[tokio::test]
async fn the_page_about_texts_shows_what_is_sent() -> Outcome {
    let page = include_str!("../../../docs/texts-and-expressions.md");
    let sample = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let database = database(&format!("{sample}  - name: create_order\n")).await?;
    let pool = database.pool();
    let input = json!({"number": "A-7", "email": "ada@example.eu", "total": "12.5", "due_on": "2026-02-03"});
    let order = row(pool, "create_order", &input).await?;
    let reminded = call(pool, "remind_customer", &json!({"id": order["id"]})).await?;
    assert_eq!((&reminded["status"], &reminded["message"]), (&json!("success"), &json!("Reminded")));
    let sent: Value = sqlx::query_scalar("SELECT input_data FROM jobs.tb_job_run").fetch_one(pool).await?;
    assert_eq!(
        sent,
        json!({"to": "ada@example.eu", "from": "billing@example.eu", "subject": "Order A-7 is overdue",
            "text": "You owe us 12.50, due on 2026-02-03.\nYour note: none\n"})
    );
    sqlx::query("UPDATE sales.tb_order SET status = 'paid'").execute(pool).await?;
    let refused = call(pool, "remind_customer", &json!({"id": order["id"]})).await?;
    assert_eq!((&refused["status"], &refused["message"]), (&json!("validation:paid"), &json!("Order A-7 is paid")));
    Ok(())
}
