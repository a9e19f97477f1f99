//! `unique:`, `indexes:` and `checks:` of an entity: what rows must be to each other, over actions and over steps between models.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use specql_compiler::SourceFile;
use specql_runtime::database::MigrateError;
use specql_tests::{
    compiled,
    history::History,
    migrations::{Folder, file},
};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

const PAGE: &str = include_str!("../../docs/row-rules.md");

const TENANTS: [Uuid; 2] = [Uuid::from_u128(10), Uuid::from_u128(11)];

/// The page's entity; the rules can be taken from it.
fn invoice() -> &'static str {
    PAGE.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a sample")
}

fn without_rules() -> String {
    let (before, rest) = invoice().split_once("unique:").expect("rules");
    format!("{before}actions:{}", rest.split_once("actions:").expect("actions").1)
}

fn project(entity: &str, of_tenants: bool) -> Vec<SourceFile> {
    let domains = format!("domains: {{billing: {{multi_tenant: {of_tenants}}}}}\n");
    let registry = specql_compiler::SourceKind::Registry;
    vec![file("entities/invoice.yaml", entity), SourceFile::new("registry/domain_registry.yaml", &domains, registry)]
}

async fn call(pool: &PgPool, tenant: Option<Uuid>, action: &str, input: Value) -> Result<(String, Value)> {
    let sql = AssertSqlSafe(format!("SELECT status, to_jsonb(id) FROM app.{action}($1, NULL, $2)"));
    let (status, id): (String, Option<Value>) = sqlx::query_as(sql).bind(tenant).bind(input).fetch_one(pool).await?;
    Ok((status, id.unwrap_or_default()))
}

#[tokio::test]
async fn no_two_live_rows_of_a_tenant_are_equal_in_all_fields_of_a_combination() -> Result<()> {
    for of_tenants in [false, true] {
        let domains = format!("domains: {{billing: {{multi_tenant: {of_tenants}}}}}\n");
        let files = [("entities/invoice.yaml", invoice()), ("registry/domain_registry.yaml", &*domains)];
        let database = compiled::database(&compiled::files(&files)?).await?;
        let pool = database.pool();
        let tenant = of_tenants.then_some(TENANTS[0]);
        let invoice =
            |customer: Option<&str>, period: &str| json!({"customer": customer, "period": period, "amount": 5});
        let (status, id) = call(pool, tenant, "create_invoice", invoice(Some("ada"), "2026-01-01")).await?;
        assert_eq!(status, "success");
        for (input, expected) in [
            (invoice(Some("ada"), "2026-01-01"), "conflict:uq_invoice__customer__period"),
            (invoice(Some("ada"), "2026-02-01"), "success"),
            (invoice(Some("bob"), "2026-01-01"), "success"),
            // NULL equals nothing.
            (invoice(None, "2026-01-01"), "success"),
            (invoice(None, "2026-01-01"), "success"),
        ] {
            assert_eq!(call(pool, tenant, "create_invoice", input.clone()).await?.0, expected, "{input}");
        }
        if of_tenants {
            let other = call(pool, Some(TENANTS[1]), "create_invoice", invoice(Some("ada"), "2026-01-01")).await?;
            assert_eq!(other.0, "success", "another tenant's");
        }
        // What was deleted gives its place back.
        assert_eq!(call(pool, tenant, "delete_invoice", json!({"id": id})).await?.0, "success");
        let again = call(pool, tenant, "create_invoice", invoice(Some("ada"), "2026-01-01")).await?;
        assert_eq!(again.0, "success");
    }
    Ok(())
}

#[tokio::test]
async fn a_row_that_breaks_a_check_is_refused_by_its_name_and_one_that_lacks_a_value_is_not() -> Result<()> {
    let database = compiled::database(&compiled::files(&[("entities/invoice.yaml", invoice())])?).await?;
    let pool = database.pool();
    let input = json!({"customer": "ada", "period": "2026-01-01", "amount": 5});
    let (_, id) = call(pool, None, "create_invoice", input).await?;
    for (refunded, expected) in
        [(json!(5), "success"), (json!(6), "validation:ck_invoice__refund_is_covered"), (Value::Null, "success")]
    {
        let (status, _) = call(pool, None, "refund_invoice", json!({"id": id, "refunded": refunded})).await?;
        assert_eq!(status, expected, "{refunded}");
    }
    Ok(())
}

#[tokio::test]
async fn a_value_outside_of_a_field_s_limits_is_an_invalid_input_and_a_computed_one_breaks_the_constraint() -> Result<()>
{
    let project =
        invoice().replace("SET refunded = $input.refunded", "SET refunded = $input.refunded, amount = amount * 2");
    let database = compiled::database(&compiled::files(&[("entities/invoice.yaml", &project)])?).await?;
    let pool = database.pool();
    for (number, amount, expected) in [
        (json!("INV-7"), 1, "success"),
        (Value::Null, 1_000_000, "success"),
        (json!("INV-"), 1, "validation:invalid_number"),
        (json!("an INV-7"), 1, "validation:invalid_number"),
        (Value::Null, 0, "validation:invalid_amount"),
        (Value::Null, 1_000_001, "validation:invalid_amount"),
    ] {
        let input = json!({"number": number, "period": "2026-01-01", "amount": amount});
        let (status, id) = call(pool, None, "create_invoice", input.clone()).await?;
        assert_eq!(status, expected, "{input}");
        if amount == 1_000_000 {
            let (status, _) = call(pool, None, "refund_invoice", json!({"id": id})).await?;
            assert_eq!(status, "validation:ck_invoice__amount");
        }
    }
    let message: String = sqlx::query_scalar("SELECT message FROM app.create_invoice(NULL, NULL, $1)")
        .bind(json!({"period": "2026-01-01", "amount": 0}))
        .fetch_one(pool)
        .await?;
    assert_eq!(message, "amount must be from 1 to 1000000");
    Ok(())
}

#[tokio::test]
async fn rows_are_found_by_the_indexes_of_the_page() -> Result<()> {
    for (of_tenants, first) in [(false, ""), (true, "tenant_id, ")] {
        let domains = format!("domains: {{billing: {{multi_tenant: {of_tenants}}}}}\n");
        let files = [("entities/invoice.yaml", invoice()), ("registry/domain_registry.yaml", &*domains)];
        let database = compiled::database(&compiled::files(&files)?).await?;
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT split_part(indexdef, ' USING btree ', 2) FROM pg_indexes
             WHERE schemaname = 'billing' AND indexname LIKE 'idx%' ORDER BY indexname",
        )
        .fetch_all(database.pool())
        .await?;
        assert_eq!(found, [format!("({first}period, paid)"), format!("({first}refunded)")]);
    }
    Ok(())
}

/// A history with the entity without its rules, and the step that gives it to them.
struct Steps {
    first: History,
    both: History,
}

fn steps(of_tenants: bool) -> Result<Steps> {
    between(&without_rules(), invoice(), of_tenants)
}

fn between(before: &str, after: &str, of_tenants: bool) -> Result<Steps> {
    let mut folder = Folder::default();
    let (before, after) = (project(before, of_tenants), project(after, of_tenants));
    let built = folder.build(&before).context("the first model")?;
    let first = History::default().emitted(&built.step).seal();
    folder.seal(&before, &built.schema).context("its seal")?;
    let both = first.clone().emitted(&folder.build(&after).context("the second model")?.step).seal();
    Ok(Steps { first, both })
}

#[tokio::test]
async fn rows_that_break_a_new_rule_stop_the_step_before_anything_is_done() -> Result<()> {
    for of_tenants in [false, true] {
        let steps = steps(of_tenants)?;
        let database = specql_runtime::testing::TestDatabase::from_sql("").await?;
        let pool = database.pool();
        steps.first.on(pool).migrate().await?;
        let tenant = of_tenants.then_some(TENANTS[0]);
        let input = |amount: u32| json!({"customer": "ada", "period": "2026-01-01", "amount": amount, "refunded": 7});
        let (_, first) = call(pool, tenant, "create_invoice", input(8)).await?;
        let (_, second) = call(pool, tenant, "create_invoice", input(6)).await?;
        let refused = |error: MigrateError| match error {
            MigrateError::RowsInTheWay { message, .. } => message,
            other => format!("{other:?}"),
        };
        let message = refused(steps.both.on(pool).migrate().await.unwrap_err());
        assert_eq!(message, "rows of billing.tb_invoice break ck_invoice__refund_is_covered; nothing was changed");
        call(pool, tenant, "refund_invoice", json!({"id": second, "refunded": 1})).await?;
        let message = refused(steps.both.on(pool).migrate().await.unwrap_err());
        assert_eq!(message, "rows of billing.tb_invoice are equal in customer and period; nothing was changed");
        call(pool, tenant, "delete_invoice", json!({"id": first})).await?;
        steps.both.on(pool).migrate().await?;
        let (status, _) = call(pool, tenant, "create_invoice", input(8)).await?;
        assert_eq!(status, "conflict:uq_invoice__customer__period");
    }
    Ok(())
}

/// An entity with these keys, with one row, and the step to other ones.
async fn stepped(before: &str, row: &str, after: &str) -> Result<(specql_runtime::testing::TestDatabase, History)> {
    let entity = |keys: &str| format!("entity: Invoice\nschema: billing\nfields:\n  a: integer\n{keys}");
    let steps = between(&entity(before), &entity(after), false)?;
    let database = specql_runtime::testing::TestDatabase::from_sql("").await?;
    steps.first.on(database.pool()).migrate().await?;
    sqlx::raw_sql(AssertSqlSafe(format!("INSERT INTO billing.tb_invoice {row}"))).execute(database.pool()).await?;
    Ok((database, steps.both))
}

/// A condition of one's own is no list of an enum's values: nothing tells whether another one allows more.
#[tokio::test]
async fn another_condition_of_a_check_is_asked_of_rows_first() -> Result<()> {
    for (before, row, after) in [
        (
            "  g: text\nchecks: {k: g NOT IN ('x')}\n",
            "(g) VALUES ('y')",
            "  g: text\nchecks: {k: \"g NOT IN ('x', 'y')\"}\n",
        ),
        // Columns that are new have what the step gives them.
        ("", "(a) VALUES (1)", "  d: integer! = 3\nchecks: {k: d > 5}\n"),
        ("", "(a) VALUES (1)", "  d: integer\n  f: integer\nchecks: {k: d IS NOT NULL OR f IS NOT NULL}\n"),
        ("", "(a) VALUES (1)", "  d: {type: integer!, backfill: 3}\nchecks: {k: d > 5}\n"),
        (
            "",
            "(a) VALUES (1)",
            "  d: {type: integer!, backfill: {$expr: \"coalesce(a, 0) - 2\"}}\nchecks: {k: d > a}\n",
        ),
    ] {
        let (database, both) = stepped(before, row, after).await?;
        let error = both.on(database.pool()).migrate().await.unwrap_err();
        let MigrateError::RowsInTheWay { message, .. } = &error else { panic!("{after}: {error:?}") };
        assert_eq!(message, "rows of billing.tb_invoice break ck_invoice__k; nothing was changed", "{after}");
        sqlx::raw_sql("DELETE FROM billing.tb_invoice").execute(database.pool()).await?;
        both.on(database.pool()).migrate().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_backfill_that_computes_what_the_field_does_not_allow_stops_the_step_before_anything_is_done() -> Result<()> {
    let after = "  d: {type: integer!, min: 10, backfill: {$expr: \"coalesce(a, 0)\"}}\n";
    let (database, both) = stepped("", "(a) VALUES (7), (12)", after).await?;
    let error = both.on(database.pool()).migrate().await.unwrap_err();
    let MigrateError::RowsInTheWay { message, .. } = &error else { panic!("{error:?}") };
    assert_eq!(message, "rows of billing.tb_invoice break ck_invoice__d; nothing was changed");
    sqlx::raw_sql("UPDATE billing.tb_invoice SET a = 11 WHERE a = 7").execute(database.pool()).await?;
    both.on(database.pool()).migrate().await?;
    Ok(())
}

/// Texts of one's own stand in the files that ask and fill, whatever these quote them with.
#[tokio::test]
async fn a_step_takes_texts_with_dollar_signs() -> Result<()> {
    let (database, both) = stepped(
        "  g: text\n",
        "(g) VALUES ('US$')",
        "  g: text\n  x: {type: text!, backfill: \"costs $$ 5 $specql$\"}\nchecks: {k: g <> 'US$$'}\n",
    )
    .await?;
    both.on(database.pool()).migrate().await?;
    let filled: String = sqlx::query_scalar("SELECT x FROM billing.tb_invoice").fetch_one(database.pool()).await?;
    assert_eq!(filled, "costs $$ 5 $specql$");
    Ok(())
}

/// Rows are asked before the step, by the names that they have then.
#[tokio::test]
async fn rows_are_asked_also_where_their_table_or_columns_get_other_names() -> Result<()> {
    for (before, row, after, expected) in [
        (
            "  g: integer\n",
            "(a, g) VALUES (5, 1)",
            "  h: {type: integer, renamed_from: g}\nchecks: {k: h > a}\n",
            "rows of billing.tb_invoice break ck_invoice__k",
        ),
        (
            "  date: text\n  g: text\n",
            "(date, g) VALUES ('x', 'y'), ('x', 'y')",
            "  day: {type: text, renamed_from: date}\n  h: {type: text, renamed_from: g}\nunique: [day, h]\n",
            "rows of billing.tb_invoice are equal in day and h",
        ),
        (
            "  g: text\n",
            "(a) VALUES (1)",
            "  h: {type: text!, renamed_from: g}\n",
            "rows of billing.tb_invoice have no h, which becomes required",
        ),
    ] {
        let (database, both) = stepped(before, row, after).await?;
        let error = both.on(database.pool()).migrate().await.unwrap_err();
        let MigrateError::RowsInTheWay { message, .. } = &error else { panic!("{after}: {error:?}") };
        assert_eq!(*message, format!("{expected}; nothing was changed"), "{after}");
        sqlx::raw_sql("DELETE FROM billing.tb_invoice").execute(database.pool()).await?;
        both.on(database.pool()).migrate().await?;
    }
    let entity = |name: &str, more: &str| format!("entity: {name}\nschema: billing\nfields:\n  a: integer\n{more}");
    let steps = between(&entity("Bill", ""), &entity("Invoice", "renamed_from: Bill\nchecks: {k: a > 1}\n"), true)?;
    let database = specql_runtime::testing::TestDatabase::from_sql("").await?;
    steps.first.on(database.pool()).migrate().await?;
    let row =
        format!("SET app.tenant_id = '{0}'; INSERT INTO billing.tb_bill (tenant_id, a) VALUES ('{0}', 1)", TENANTS[0]);
    sqlx::raw_sql(AssertSqlSafe(row)).execute(&mut *database.pool().acquire().await?).await?;
    let error = steps.both.on(database.pool()).migrate().await.unwrap_err();
    assert!(
        error.to_string().contains("rows of billing.tb_invoice break ck_invoice__k; nothing was changed"),
        "{error}"
    );
    Ok(())
}
