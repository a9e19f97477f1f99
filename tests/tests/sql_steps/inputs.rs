//! Objects and lists in the input of a call, and in fields: what has no value in them, and lists made of rows.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::Outcome;

/// Two tenants with the same products; each has the orders `one` and `two`.
struct Orders {
    database: TestDatabase,
}

const OURS: Uuid = Uuid::from_u128(1);
const THEIRS: Uuid = Uuid::from_u128(2);

impl Orders {
    async fn new() -> anyhow::Result<Self> {
        let project = compiled::files(&[
            ("entities/order.yaml", include_str!("dispatch.yaml")),
            ("registry/carrier.yaml", include_str!("carrier.yaml")),
            ("registry/domain_registry.yaml", "domains: {sales: {multi_tenant: true}}\n"),
        ])?;
        let database = compiled::database(&project).await?;
        sqlx::raw_sql(
            "CREATE TABLE public.calls (what TEXT);
             CREATE FUNCTION sales.counted(_what TEXT) RETURNS TEXT LANGUAGE sql VOLATILE AS
             $$ INSERT INTO public.calls VALUES (_what); SELECT nullif(_what, 'nothing') $$;",
        )
        .execute(database.pool())
        .await?;
        let orders = Self { database };
        for tenant in [OURS, THEIRS] {
            for statement in [
                "INSERT INTO sales.tb_product (tenant_id, name, code) VALUES ($1, 'soap', 9007199254740993), ($1, 'oil', NULL)",
                "INSERT INTO sales.tb_order (tenant_id, number, tags, prices) VALUES ($1, 'one', '{a,b}', '{1.50,2}'), ($1, 'two', NULL, NULL)",
                "INSERT INTO sales.tb_line (tenant_id, fk_order, fk_product, quantity, price, note)
                 SELECT $1, o.pk_order, p.pk_product, l.quantity, l.price, l.note
                 FROM (VALUES ('one', 'soap', 2, 1.5, 'x'), ('one', 'oil', 7, NULL, NULL), ('two', 'soap', 1, 9, 'y'))
                     AS l(number, product, quantity, price, note)
                 JOIN sales.tb_order AS o ON o.number = l.number AND o.tenant_id = $1
                 JOIN sales.tb_product AS p ON p.name = l.product AND p.tenant_id = $1",
            ] {
                let mut transaction = orders.database.pool().begin().await?;
                sqlx::query("SELECT set_config('app.tenant_id', $1::uuid::text, true)")
                    .bind(tenant)
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query(statement).bind(tenant).execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
        }
        Ok(orders)
    }

    async fn sql(&self, tenant: Uuid, text: &str) -> anyhow::Result<Option<Value>> {
        let mut transaction = self.database.pool().begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1::uuid::text, true)")
            .bind(tenant)
            .execute(&mut *transaction)
            .await?;
        let found = sqlx::query_scalar(AssertSqlSafe(text.to_owned())).fetch_optional(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(found.flatten())
    }

    async fn id(&self, tenant: Uuid, table: &str, column: &str, value: &str) -> anyhow::Result<Value> {
        let text =
            format!("SELECT to_jsonb(id) FROM sales.{table} WHERE {column} = '{value}' AND tenant_id = '{tenant}'");
        Ok(self.sql(tenant, &text).await?.expect("it is there"))
    }

    /// Calls an action for the order of this number.
    async fn call(&self, tenant: Uuid, action: &str, number: &str, mut input: Value) -> anyhow::Result<Value> {
        input["id"] = self.id(tenant, "tb_order", "number", number).await?;
        let text = format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r");
        let result: Value =
            sqlx::query_scalar(AssertSqlSafe(text)).bind(tenant).bind(input).fetch_one(self.database.pool()).await?;
        if result["status"] == "failed:unexpected_error" {
            let log = "SELECT to_jsonb(l) FROM app.tb_mutation_audit_log AS l ORDER BY 1 DESC LIMIT 1";
            anyhow::bail!("{result}: {:?}", self.sql(tenant, log).await?);
        }
        Ok(result)
    }

    /// Calls an action that must succeed, and gives the inputs of the jobs that it queued, in their order.
    async fn inputs(&self, tenant: Uuid, action: &str, number: &str, input: Value) -> anyhow::Result<Vec<Value>> {
        sqlx::query("DELETE FROM jobs.tb_job_run").execute(self.database.pool()).await?;
        let result = self.call(tenant, action, number, input).await?;
        assert_eq!(result["status"], "success", "{result}");
        Ok(sqlx::query_scalar("SELECT input_data FROM jobs.tb_job_run ORDER BY pk_job_run")
            .fetch_all(self.database.pool())
            .await?)
    }

    async fn input(&self, tenant: Uuid, action: &str, number: &str, input: Value) -> anyhow::Result<Value> {
        let mut inputs = self.inputs(tenant, action, number, input).await?;
        assert_eq!(inputs.len(), 1);
        Ok(inputs.remove(0))
    }
}

#[tokio::test]
async fn what_has_no_value_is_left_out_and_so_is_an_object_that_lacks_what_it_needs() -> Outcome {
    let orders = Orders::new().await?;
    let id = orders.id(OURS, "tb_order", "number", "two").await?;
    assert_eq!(
        orders.input(OURS, "send_address", "two", json!({})).await?,
        json!({
            "number": "two",
            "lines": [{"sku": "a", "quantity": 1}],
            "meta": {"order": id, "city": null, "tags": ["a", null, null], "deep": {"n": null, "when": null}},
        }),
        "JSON of no shape keeps its nulls"
    );
    orders.sql(OURS, "UPDATE sales.tb_order SET street = 'Way 1' WHERE number = 'two' RETURNING NULL::jsonb").await?;
    let sent = orders.input(OURS, "send_address", "two", json!({})).await?;
    assert_eq!(
        sent["address"],
        json!({"street": "Way 1", "state": "BE"}),
        "an object in it that lacks its name is left out"
    );
    assert_eq!(sent.get("contact"), None, "a composite without its zip code");
    assert_eq!(sent["lines"], json!([{"sku": "a", "quantity": 1, "from": {"place": "Way 1", "since": 3}}]));

    orders
        .sql(OURS, "UPDATE sales.tb_order SET city = 'Ulm', zip = '89073' WHERE number = 'two' RETURNING NULL::jsonb")
        .await?;
    let sent = orders.input(OURS, "send_address", "two", json!({})).await?;
    let geo = json!({"lat": 1.5, "name": "89073"});
    assert_eq!(sent["address"], json!({"street": "Way 1", "city": "Ulm", "zip": "89073", "state": "BE", "geo": geo}));
    assert_eq!(sent["contact"], json!({"street": "Way 1", "city": "Bonn", "state": "NW", "zipCode": "89073"}));
    assert_eq!(sent["lines"][0]["hint"], "Ulm");
    Ok(())
}

#[tokio::test]
async fn a_function_whose_answer_decides_about_an_object_is_called_once() -> Outcome {
    let orders = Orders::new().await?;
    let sent = orders.input(OURS, "send_counted", "one", json!({"what": "Way 1"})).await?;
    assert_eq!(sent, json!({"number": "one", "address": {"street": "Way 1"}}));
    let sent = orders.input(OURS, "send_counted", "one", json!({"what": "nothing"})).await?;
    assert_eq!(sent, json!({"number": "one"}));
    let calls = orders.sql(OURS, "SELECT jsonb_agg(what) FROM public.calls").await?;
    assert_eq!(calls, Some(json!(["Way 1", "nothing"])));
    Ok(())
}

#[tokio::test]
async fn a_list_has_an_element_for_each_row_of_the_tenant_that_lives() -> Outcome {
    let orders = Orders::new().await?;
    let sent = orders.input(OURS, "send_lines", "one", json!({})).await?;
    assert_eq!(
        sent["lines"],
        json!([
            {"sku": "oil", "quantity": 7, "hint": "one: none"},
            {"sku": "soap", "quantity": 2, "hint": "one: x", "code": 9_007_199_254_740_993_i64, "price": 1.5,
             "from": {"place": "x", "since": 1}},
        ]),
        "ordered, as numbers, without what has no value"
    );
    assert_eq!(sent["skus"], json!(["soap", "oil"]), "in the order of the keys");
    assert_eq!(sent["prices"], json!([1.50]));
    assert_eq!(sent["any"], json!(["x", null]));
    let id = |table: &'static str, column: &'static str, value: &'static str| orders.id(OURS, table, column, value);
    let line = orders
        .sql(OURS, &format!("SELECT to_jsonb(id) FROM sales.tb_line WHERE note = 'x' AND tenant_id = '{OURS}'"))
        .await?;
    assert_eq!(sent["meta"]["lines"][0], json!([line, id("tb_product", "name", "soap").await?, "line"]));
    assert_eq!(sent["meta"]["words"], json!(["line", "line"]));
    assert_eq!(
        sent["meta"]["others"],
        json!([{"product": "soap", "orders": ["two"]}, {"product": "oil", "orders": []}]),
        "no order of the other tenant"
    );

    orders.sql(OURS, "UPDATE sales.tb_line SET deleted_at = now() WHERE quantity = 7 RETURNING NULL::jsonb").await?;
    let sent = orders.input(OURS, "send_lines", "one", json!({})).await?;
    assert_eq!(sent["skus"], json!(["soap"]), "a deleted row is not there");
    let sent = orders.input(OURS, "send_lines", "one", json!({"least": 9})).await?;
    assert_eq!(sent["lines"], json!([]), "no rows, an empty list");
    let theirs = orders.input(THEIRS, "send_lines", "one", json!({})).await?;
    assert_eq!(theirs["skus"], json!(["soap", "oil"]), "the other tenant's row is not deleted");
    Ok(())
}

#[tokio::test]
async fn a_row_that_a_list_is_asked_for_must_exist_even_if_there_is_no_row_to_compare() -> Outcome {
    let orders = Orders::new().await?;
    let soap = orders.id(OURS, "tb_product", "name", "soap").await?;
    let sent = orders.input(OURS, "send_product", "one", json!({"product": soap})).await?;
    assert_eq!(sent["lines"], json!([{"sku": "x", "quantity": 2}, {"sku": "x", "quantity": 1}]));
    sqlx::query("TRUNCATE sales.tb_line CASCADE").execute(orders.database.pool()).await?;
    let sent = orders.input(OURS, "send_product", "one", json!({"product": soap})).await?;
    assert_eq!(sent["lines"], json!([]));
    let unknown = json!({"product": orders.id(THEIRS, "tb_product", "name", "soap").await?});
    assert_eq!(orders.call(OURS, "send_product", "one", unknown).await?["status"], "validation:unknown_product");
    Ok(())
}

#[tokio::test]
async fn a_list_is_made_of_another_list_and_of_json() -> Outcome {
    let orders = Orders::new().await?;
    let soap = orders.id(OURS, "tb_product", "name", "soap").await?;
    let oil = orders.id(OURS, "tb_product", "name", "oil").await?;
    orders
        .sql(OURS, "UPDATE sales.tb_order SET parts = ARRAY['{\"k\": 1}', '[2]']::jsonb[] WHERE number = 'one' RETURNING NULL::jsonb")
        .await?;
    let input = json!({"numbers": ["4503599627370497", 1], "parts": [{"sku": "p"}, {"sku": "q"}], "ids": [oil, soap]});
    let sent = orders.input(OURS, "send_values", "one", input).await?;
    assert_eq!(sent["skus"], json!(["one/a", "one/b"]));
    assert_eq!(sent["codes"], json!([9_007_199_254_740_994_i64, 2]), "numbers, in lists, too");
    assert_eq!(sent["prices"], json!([1.5, 2.0]), "decimals are numbers, too");
    assert_eq!(sent["lines"], json!([{"sku": "p", "quantity": 1}, {"sku": "q", "quantity": 1}]));
    assert_eq!(sent["any"], json!([{"part": {"k": 1}, "of": "one"}, {"part": [2], "of": "one"}]));
    assert_eq!(sent["meta"]["found"], json!([[7], [2, 1]]), "a list in a list");

    let sent = orders.input(OURS, "send_values", "two", json!({})).await?;
    assert_eq!(
        sent,
        json!({"number": "two", "skus": [], "codes": [], "lines": [], "any": [], "meta": {"found": []}}),
        "no list, no elements; a list that is given as it is is left out"
    );
    let refused = orders.call(OURS, "send_values", "one", json!({"parts": {"sku": "p"}})).await?;
    assert_eq!(refused["status"], "validation:invalid_parts");
    Ok(())
}

#[tokio::test]
async fn lists_of_rows_fill_fields() -> Outcome {
    let orders = Orders::new().await?;
    assert_eq!(orders.call(OURS, "fill", "one", json!({})).await?["status"], "success");
    let row = format!(
        "SELECT jsonb_build_array(tags, prices, parts, extra) FROM sales.tb_order WHERE number = 'one' AND tenant_id = '{OURS}'"
    );
    assert_eq!(
        orders.sql(OURS, &row).await?,
        Some(json!([
            ["soap", "oil"],
            [1.50],
            [{"of": "one", "name": "soap"}, {"of": "one", "name": "oil"}],
            {"lines": [2, 7], "city": null},
        ]))
    );
    orders
        .sql(
            OURS,
            &format!("UPDATE sales.tb_line SET deleted_at = now() WHERE tenant_id = '{OURS}' RETURNING NULL::jsonb"),
        )
        .await?;
    orders.call(OURS, "fill", "one", json!({})).await?;
    assert_eq!(orders.sql(OURS, &row).await?, Some(json!([[], [], [], {"lines": [], "city": null}])));

    assert_eq!(orders.call(THEIRS, "fill_all", "one", json!({})).await?["status"], "success");
    let all = format!(
        "SELECT jsonb_agg(jsonb_build_array(parts, tags) ORDER BY number) FROM sales.tb_order WHERE tenant_id = '{THEIRS}'"
    );
    assert_eq!(
        orders.sql(THEIRS, &all).await?,
        Some(json!([
            [["one", "one", {"a": null}], ["onea", "oneb"]],
            [["two", "one", {"a": null}], []],
        ]))
    );
    Ok(())
}

#[tokio::test]
async fn lists_stand_in_loops_and_in_callbacks() -> Outcome {
    let orders = Orders::new().await?;
    let sent = orders.inputs(OURS, "send_each", "one", json!({})).await?;
    assert_eq!(
        sent,
        [
            json!({"number": "soap", "lines": [{"sku": "oil", "quantity": 1}]}),
            json!({"number": "oil", "lines": [{"sku": "soap", "quantity": 1}]}),
        ]
    );
    sqlx::query(
        "SELECT jobs.mark_job_started(id), jobs.complete_job_successfully(id, '{}') FROM jobs.tb_job_run ORDER BY pk_job_run LIMIT 1",
    )
    .execute(orders.database.pool())
    .await?;
    let row = format!(
        "SELECT jsonb_build_array(city, tags) FROM sales.tb_order WHERE number = 'one' AND tenant_id = '{OURS}'"
    );
    assert_eq!(orders.sql(OURS, &row).await?, Some(json!(["told", ["soap", "oil"]])));
    Ok(())
}
