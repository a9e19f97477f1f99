//! The composite types in PostgreSQL: columns take what the table of composites calls good, and nothing that it calls
//! bad, alone and in lists; expressions read their members.

use serde_json::{Value, json};
use specql_registry::composites::{ALL, CompositeInfo};
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool};

const MEMBERS: &str = "
entity: Order
schema: s
fields:
  address: SimpleAddress!
  price: MoneyAmount
  company: 'Company = {name: Engines}'
  hours: list(BusinessHours)
  grid: 'list(list(integer)) = [[1], []]'
  city: text
  amount: money
  zip: postalCode
actions:
  - name: create_order
  - name: file_order
    steps:
      - insert: Order
      - validate: $order.address.country IS NULL OR $order.address.country = 'DE'
        error: abroad
      - update: Order SET city = upper($order.address.city), amount = $order.price.amount * 2, zip = $input.address.zipCode
  - name: quote_order
    input: {street: text!, zip: text!, country: countryCode, amount: money!}
    steps:
      - insert: Order
        values:
          address: {street: $input.street, city: \"Berlin\", state: \"BE\", zipCode: {$expr: \"trim($input.zip)\"}, country: $input.country}
          price: {amount: $input.amount, currency: \"EUR\"}
";

fn field(info: &CompositeInfo) -> String {
    format!("f_{}", info.name.to_lowercase())
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

async fn call(pool: &PgPool, wrapper: &str, input: Value) -> anyhow::Result<(String, Option<String>, Option<Value>)> {
    let sql = AssertSqlSafe(format!("SELECT status, message, object_data FROM app.{wrapper}(NULL, NULL, $1)"));
    Ok(sqlx::query_as(sql).bind(input).fetch_one(pool).await?)
}

#[tokio::test]
async fn composites_have_the_shape_of_the_table_alone_and_in_lists() -> anyhow::Result<()> {
    let fields = |wrap: fn(&str) -> String| -> String {
        ALL.iter().map(|info| format!("  {}: {}\n", field(info), wrap(info.name))).collect()
    };
    let project = format!(
        "entity: One\nschema: s\nfields:\n{}actions:\n  - name: create_one\n---\nentity: Many\nschema: s\nfields:\n{}\
         actions:\n  - name: create_many\n",
        fields(str::to_owned),
        fields(|name| format!("list({name})")),
    );
    let database = compiled::database(&compiled::files(&[("entities/all.yaml", &project)])?).await?;
    let pool = database.pool();
    assert_eq!(ALL.len(), 17);
    for info in ALL {
        let name = field(info);
        let insert = format!("INSERT INTO s.tb_one ({name}) VALUES ($1)");
        let insert_list = format!("INSERT INTO s.tb_many ({name}) VALUES (jsonb_build_array($1::jsonb))");
        for good in info.good.iter().map(|good| parsed(good)) {
            let (status, _, row) = call(pool, "create_one", json!({&name: good})).await?;
            assert_eq!((status.as_str(), &row.expect("a row")[&name]), ("success", &good), "{name}");
            let (status, _, row) = call(pool, "create_many", json!({&name: [good, good]})).await?;
            assert_eq!((status.as_str(), &row.expect("a row")[&name]), ("success", &json!([good, good])), "{name}");
            sqlx::query(AssertSqlSafe(insert.clone())).bind(&good).execute(pool).await?;
            sqlx::query(AssertSqlSafe(insert_list.clone())).bind(&good).execute(pool).await?;
        }
        for bad in info.bad.iter().map(|bad| parsed(bad)) {
            let (status, message, _) = call(pool, "create_one", json!({&name: bad})).await?;
            assert_eq!(status, format!("validation:invalid_{name}"), "{bad}: {message:?}");
            let (status, message, _) = call(pool, "create_many", json!({&name: [bad]})).await?;
            assert_eq!(status, format!("validation:invalid_{name}"), "[{bad}]");
            assert!(message.is_some_and(|text| text.starts_with(&format!("{name}[0]"))));
            assert!(sqlx::query(AssertSqlSafe(insert.clone())).bind(&bad).execute(pool).await.is_err(), "{bad}");
            assert!(sqlx::query(AssertSqlSafe(insert_list.clone())).bind(&bad).execute(pool).await.is_err(), "{bad}");
        }
        assert_eq!(call(pool, "create_one", json!({&name: null})).await?.0, "success");
        assert_eq!(call(pool, "create_many", json!({&name: []})).await?.2.expect("a row")[&name], json!([]));
        assert_eq!(call(pool, "create_many", json!({&name: [null]})).await?.0, format!("validation:invalid_{name}"));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_inside_of_a_composite_is_named_by_its_path() -> anyhow::Result<()> {
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", MEMBERS)])?).await?;
    let address = json!({"street": "a", "city": "Berlin", "state": "BE", "zipCode": "10115"});
    for (input, message) in [
        (json!({"address": {"street": "a"}}), "address.city must be given"),
        (
            json!({"address": {"street": 1, "city": "b", "state": "c", "zipCode": "10115"}}),
            "address.street must be a text",
        ),
        (
            json!({"address": address, "price": {"amount": -1, "currency": "EUR"}}),
            "price.amount must be an amount of money in major units of at least 0",
        ),
        (
            json!({"address": address, "company": {"name": "a", "address": {"city": 1}}}),
            "company.address.street must be given",
        ),
        (
            json!({"address": address, "hours": [{}, {"monday": [{"start": "9"}]}]}),
            "hours[1].monday[0].end must be given",
        ),
        (
            json!({"address": address, "grid": [[1], [2, "x"]]}),
            "grid[1][1] must be a whole number from -2147483648 to 2147483647",
        ),
        (json!({"address": address, "grid": [[1], null]}), "grid[1] must be not null"),
    ] {
        let (status, said, _) = call(database.pool(), "create_order", input.clone()).await?;
        let field = message.split(['.', '[', ' ']).next().unwrap_or_default();
        assert_eq!((status, said.as_deref()), (format!("validation:invalid_{field}"), Some(message)), "{input}");
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM s.tb_order").fetch_one(database.pool()).await?;
    assert_eq!(rows, 0);
    Ok(())
}

#[tokio::test]
async fn expressions_read_members_and_defaults_are_composites() -> anyhow::Result<()> {
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", MEMBERS)])?).await?;
    let mut address = json!({"street": "a", "city": "Berlin", "state": "BE", "zipCode": "10115"});
    let input = json!({"address": address, "price": {"amount": 1.5, "currency": "EUR"}});
    let (status, message, row) = call(database.pool(), "file_order", input.clone()).await?;
    assert_eq!(status, "success", "{message:?}");
    let row = row.expect("a row");
    assert_eq!((&row["city"], &row["amount"], &row["zip"]), (&json!("BERLIN"), &json!("3.0000"), &json!("10115")));
    assert_eq!((&row["company"], &row["grid"]), (&json!({"name": "Engines"}), &json!([[1], []])));
    assert_eq!(row["price"], json!({"amount": "1.5", "currency": "EUR"}));

    address["country"] = json!("FR");
    assert_eq!(call(database.pool(), "file_order", json!({"address": address})).await?.0, "validation:abroad");
    Ok(())
}

#[tokio::test]
async fn a_composite_may_be_made_of_expressions() -> anyhow::Result<()> {
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", MEMBERS)])?).await?;
    let input = json!({"street": "Invalidenstr. 1", "zip": " 10115", "amount": "19.90"});
    let (status, message, row) = call(database.pool(), "quote_order", input).await?;
    assert_eq!(status, "success", "{message:?}");
    let row = row.expect("a row");
    let address = json!({"street": "Invalidenstr. 1", "city": "Berlin", "state": "BE", "zipCode": "10115"});
    assert_eq!((&row["address"], &row["price"]["amount"]), (&address, &json!("19.9000")));

    let input = json!({"street": "Invalidenstr. 1", "zip": "?", "amount": 1});
    let (status, message, _) = call(database.pool(), "quote_order", input).await?;
    assert_eq!(status, "validation:invalid_simple_address");
    assert!(
        message.as_deref().is_some_and(|it| it.starts_with("simple_address.zipCode must be a postal code")),
        "{message:?}"
    );
    Ok(())
}
