//! Functions with a body: what they answer to whom, what steps between models do with them, and functions that are only declared.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use specql_compiler::{SourceFile, SourceKind, internals::migrations::MigrationPart};
use specql_runtime::{database::MigrateError, testing::TestDatabase};
use specql_tests::{
    compiled,
    history::History,
    migrations::{Folder, file},
};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

const TENANTS: [Uuid; 2] = [Uuid::from_u128(10), Uuid::from_u128(11)];

/// An entity with these functions, whose actions call them.
fn order(functions: &str, actions: &str) -> String {
    format!(
        "entity: Order\nschema: sales\nfields:\n  total: money!\n  note: text\nfunctions:\n{functions}\
         actions:\n  - name: create_order\n  - name: delete_order\n{actions}"
    )
}

async fn call(pool: &PgPool, tenant: Option<Uuid>, action: &str, input: Value) -> Result<Value> {
    let sql = AssertSqlSafe(format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r"));
    Ok(sqlx::query_scalar(sql).bind(tenant).bind(input).fetch_one(pool).await?)
}

async fn text(pool: &PgPool, sql: &'static str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

#[tokio::test]
async fn a_body_sees_the_rows_of_the_tenant_for_which_it_is_called() -> Result<()> {
    let functions = "  open_total: {returns: money!, volatility: stable, sql: 'SELECT coalesce(sum(total), 0) FROM sales.tb_order'}\n  \
                     close_all:\n    returns: integer!\n    language: plpgsql\n    sql: |\n      DECLARE changed INTEGER;\n      BEGIN\n          \
                     UPDATE sales.tb_order SET note = 'closed';\n          GET DIAGNOSTICS changed = ROW_COUNT;\n          \
                     RETURN changed;\n      END\n";
    let actions = "  - name: sum_up\n    steps:\n      - return: open_total()\n  \
                   - name: close\n    steps:\n      - call: close_all()\n        as: changed\n      - return: $changed\n";
    for of_tenants in [false, true] {
        let domains = format!("domains: {{sales: {{multi_tenant: {of_tenants}}}}}\n");
        let files =
            [("entities/order.yaml", &*order(functions, actions)), ("registry/domain_registry.yaml", &*domains)];
        let database = compiled::database(&compiled::files(&files)?).await?;
        let pool = database.pool();
        for (tenant, total) in [(TENANTS[0], 1), (TENANTS[0], 2), (TENANTS[1], 10)] {
            let made = call(pool, Some(tenant), "create_order", json!({"total": total.to_string()})).await?;
            assert_eq!(made["status"], "success", "{made}");
        }
        let sums = if of_tenants { ["3.0000", "10.0000"] } else { ["13.0000", "13.0000"] };
        let changed = if of_tenants { [2, 1] } else { [3, 3] };
        for ((tenant, sum), changed) in TENANTS.into_iter().zip(sums).zip(changed) {
            let summed = call(pool, Some(tenant), "sum_up", json!({})).await?;
            assert_eq!(summed["extra_metadata"]["return"], sum, "{summed}");
            let closed = call(pool, Some(tenant), "close", json!({})).await?;
            assert_eq!(closed["extra_metadata"]["return"], changed, "{closed}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn null_reaches_the_body_and_a_promise_about_writing_is_kept() -> Result<()> {
    let functions = "  label: {args: {note: text}, returns: text!, volatility: immutable, sql: \"SELECT coalesce(note, 'nothing')\"}\n  \
                     sneak: {returns: integer, volatility: stable, sql: UPDATE sales.tb_order SET note = 'x' RETURNING 1}\n  \
                     cost: {args: {\"order\": ref(Order)!}, returns: money, volatility: stable, sql: SELECT o.total FROM sales.tb_order AS o WHERE o.id = \"order\"}\n";
    let actions = "  - name: mark\n    steps:\n      - update: Order SET note = label(note)\n  \
                   - name: sneak_in\n    steps:\n      - validate: sneak() IS NULL\n  \
                   - name: ask\n    steps:\n      - return: cost($order)\n";
    let project = compiled::files(&[("entities/order.yaml", &order(functions, actions))])?;
    let database = compiled::database(&project).await?;
    let pool = database.pool();
    let made = call(pool, None, "create_order", json!({"total": "5"})).await?;
    let id = json!({"id": made["id"]});
    let marked = call(pool, None, "mark", id.clone()).await?;
    assert_eq!(marked["object_data"]["note"], "nothing", "{marked}");
    assert_eq!(call(pool, None, "ask", id.clone()).await?["extra_metadata"]["return"], "5.0000");
    assert_eq!(call(pool, None, "sneak_in", json!({})).await?["status"], "failed:unexpected_error");
    let log = "SELECT error_message FROM app.tb_mutation_audit_log ORDER BY 1 DESC NULLS LAST LIMIT 1";
    assert_eq!(text(pool, log).await?.as_deref(), Some("UPDATE is not allowed in a non-volatile function"));
    let comment = text(pool, "SELECT obj_description('sales.label(text)'::regprocedure)").await?;
    assert_eq!(comment.as_deref(), Some("Function label of Order, from entities/order.yaml"));
    let public = "SELECT count(*)::text FROM pg_proc, aclexplode(proacl) AS a WHERE pronamespace = 'sales'::regnamespace AND a.grantee = 0";
    assert_eq!(text(pool, public).await?.as_deref(), Some("0"), "nobody else may call them");
    Ok(())
}

/// Whatever the body holds, it is one text to PostgreSQL; and a function may name one that is made after it, and itself.
#[tokio::test]
async fn bodies_hold_any_text_and_name_each_other() -> Result<()> {
    let functions = "  money_sign: {returns: text!, volatility: immutable, sql: \"SELECT '$specql$ $specql_1$ $$ \\\\ it''s'\"}\n  \
                     even: {args: {n: integer}, returns: boolean, volatility: immutable, sql: SELECT n = 0 OR sales.odd(n - 1)}\n  \
                     odd: {args: {n: integer}, returns: boolean, volatility: immutable, sql: SELECT n <> 0 AND sales.even(n - 1)}\n  \
                     known: {args: {id: uuid!}, returns: integer, volatility: stable, sql: SELECT sales.order_pk(known.id)}\n";
    let database = compiled::database(&compiled::files(&[("entities/order.yaml", &order(functions, ""))])?).await?;
    let pool = database.pool();
    assert_eq!(text(pool, "SELECT sales.money_sign()").await?.as_deref(), Some("$specql$ $specql_1$ $$ \\ it's"));
    assert_eq!(text(pool, "SELECT concat(sales.even(10), sales.odd(10))").await?.as_deref(), Some("tf"));
    Ok(())
}

/// A project of the entity, and the file of a body.
fn project(entity: &str, body: Option<&str>) -> Vec<SourceFile> {
    let entity = file("entities/order.yaml", entity);
    let body = body.map(|body| SourceFile::new("sql/tax.sql", body, SourceKind::Body));
    [entity].into_iter().chain(body).collect()
}

/// A database at the first project, and the open step to the second.
struct Stepped {
    database: TestDatabase,
    both: History,
    step: Vec<MigrationPart>,
}

async fn stepped(before: &[SourceFile], after: &[SourceFile]) -> Result<Stepped> {
    let mut folder = Folder::default();
    let built = folder.build(before).context("the first model")?;
    let first = History::default().emitted(&built.step).seal();
    folder.seal(before, &built.schema).context("its seal")?;
    let second = folder.build(after).context("the second model")?;
    let database = TestDatabase::from_sql("").await?;
    first.on(database.pool()).migrate().await?;
    let both = first.emitted(&second.step);
    Ok(Stepped { database, both, step: second.step })
}

impl Stepped {
    fn sql(&self) -> String {
        self.step.iter().map(|part| &*part.sql).collect()
    }

    async fn functions(&self) -> Result<Vec<String>> {
        let sql = "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'sales'::regnamespace \
                   AND proname NOT IN ('order_pk', 'order_id', 'create_order', 'delete_order') ORDER BY 1";
        Ok(sqlx::query_scalar(sql).fetch_all(self.database.pool()).await?)
    }
}

const TAX: &str = "  tax: {args: {amount: money}, returns: money, volatility: immutable, file: sql/tax.sql}\n";

#[tokio::test]
async fn a_changed_body_is_replaced_in_place() -> Result<()> {
    let before = project(&order(TAX, ""), Some("-- Nineteen per cent.\nSELECT amount * 0.19"));
    let after = project(&order(TAX, ""), Some("SELECT amount * 0.2\r\n"));
    let stepped = stepped(&before, &after).await?;
    let sql = stepped.sql();
    assert!(sql.contains("CREATE OR REPLACE FUNCTION sales.tax(amount numeric)"), "{sql}");
    assert!(
        !sql.contains("DROP") && !sql.contains('\r') && sql.contains("PERFORM pg_catalog.fmgr_sql_validator"),
        "{sql}"
    );
    stepped.both.on(stepped.database.pool()).migrate().await?;
    let tax = "SELECT trim_scale(sales.tax(10))::text";
    assert_eq!(text(stepped.database.pool(), tax).await?.as_deref(), Some("2"));
    // And back, as a debug build does where the step changes.
    stepped.both.first(stepped.both.names().len() - 1).on(stepped.database.pool()).migrate().await?;
    assert_eq!(text(stepped.database.pool(), tax).await?.as_deref(), Some("1.9"));

    // Only the ends of lines are others, and where the function stands.
    let windows =
        project(&format!("# Orders.\n{}", order(TAX, "")), Some("-- Nineteen per cent.\r\nSELECT amount * 0.19\r\n"));
    assert_eq!(self::stepped(&before, &windows).await?.step.len(), 0);
    Ok(())
}

#[tokio::test]
async fn another_signature_another_name_and_a_removal_are_carried_out() -> Result<()> {
    let using = |call: &str| format!("  - name: act\n    steps:\n      - validate: {call} > 0\n");
    let before = project(&order(TAX, &using("tax(1)")), Some("SELECT amount * 0.19"));
    let body = "sql: SELECT 1.5";
    for (functions, call, left) in [
        (
            format!("  tax: {{args: {{amount: money, country: text}}, returns: money, {body}}}\n"),
            "tax(1, 'FR')",
            "sales.tax(numeric,text)",
        ),
        (format!("  tax: {{args: {{amount: money}}, returns: float, {body}}}\n"), "tax(1)", "sales.tax(numeric)"),
        (format!("  tax: {{args: {{total: money}}, returns: money, {body}}}\n"), "tax(1)", "sales.tax(numeric)"),
        (format!("  vat: {{args: {{amount: money}}, returns: money, {body}}}\n"), "vat(1)", "sales.vat(numeric)"),
        (format!("  tax: {{args: {{amount: money}}, returns: money, schema: fees, {body}}}\n"), "tax(1)", ""),
        ("  other: {returns: money, sql: SELECT 2}\n".to_owned(), "other()", "sales.other()"),
    ] {
        let stepped = stepped(&before, &project(&order(&functions, &using(call)), None)).await?;
        let pool = stepped.database.pool();
        stepped.both.on(pool).migrate().await.with_context(|| stepped.sql())?;
        let found = stepped.functions().await?;
        let found: Vec<&String> = found.iter().filter(|name| !name.starts_with("sales.act")).collect();
        assert_eq!(found, Vec::from_iter(Some(left).filter(|left| !left.is_empty())), "{functions}");
        assert_eq!(call_act(pool).await?, "success", "{functions}");
        // And back.
        stepped.both.first(stepped.both.names().len() - stepped.step.len()).on(pool).migrate().await?;
        assert_eq!(call_act(pool).await?, "success", "{functions}");
    }
    Ok(())
}

async fn call_act(pool: &PgPool) -> Result<String> {
    Ok(call(pool, None, "act", json!({})).await?["status"].as_str().unwrap_or_default().to_owned())
}

/// What a body names is not known; PostgreSQL looks, before the step is over.
#[tokio::test]
async fn a_body_that_no_longer_fits_the_tables_stops_the_step() -> Result<()> {
    let entity = |field: &str, body: &str, language: &str| {
        format!(
            "entity: Order\nschema: sales\nfields:\n  {field}\nfunctions:\n  most: {{returns: integer, volatility: stable, \
             language: {language}, sql: '{body}'}}\n"
        )
    };
    let query = "SELECT max(total) FROM sales.tb_order";
    let renamed = "sum: {type: integer, renamed_from: total}";
    for (after, reason) in [
        (entity(renamed, query, "sql"), "column \"total\" does not exist"),
        (entity("note: text", query, "sql"), "column \"total\" does not exist"),
        (entity("total: integer", "SELEC max(total) FROM sales.tb_order", "sql"), "syntax error at or near \"SELEC\""),
        (entity("total: integer", "SELECT ''a''::text", "sql"), "return type mismatch"),
        (entity("total: integer", "BEGIN RETURN 1; EN", "plpgsql"), "unexpected end of function definition"),
    ] {
        let before = project(&entity("total: integer", query, "sql"), None);
        let stepped = stepped(&before, &project(&after, None)).await?;
        let pool = stepped.database.pool();
        let error = stepped.both.on(pool).migrate().await.unwrap_err();
        let MigrateError::Failed { .. } = &error else { panic!("{after}: {error:?}") };
        assert!(error.to_string().contains(reason), "{after}: {error}");
        let still = text(pool, "SELECT concat(sales.most(), count(total)) FROM sales.tb_order").await?;
        assert_eq!(still.as_deref(), Some("0"), "nothing was changed");
    }
    let before = project(&entity("total: integer", query, "sql"), None);
    let fitting = entity(renamed, "SELECT max(sum) FROM sales.tb_order", "sql");
    let stepped = stepped(&before, &project(&fitting, None)).await?;
    stepped.both.on(stepped.database.pool()).migrate().await?;
    Ok(())
}

/// Rows are asked before the step, by what the backfill will give them.
#[tokio::test]
async fn a_backfill_calls_a_function_that_was_made_before_its_step() -> Result<()> {
    let entity = |field: &str, functions: &str| {
        format!("entity: Order\nschema: sales\nfields:\n  total: money!\n{field}functions: {{{functions}}}\n")
    };
    let tax_of = "tax_of: {args: {amount: money!}, returns: money!, volatility: immutable, sql: SELECT amount * 0.5}";
    let after = entity("  tax: {type: money!, backfill: tax_of(total)}\n", tax_of);
    for (before, is_made) in [(entity("", tax_of), true), (entity("", ""), false)] {
        let stepped = stepped(&project(&before, None), &project(&after, None)).await?;
        let pool = stepped.database.pool();
        sqlx::raw_sql("INSERT INTO sales.tb_order (total) VALUES (8)").execute(pool).await?;
        let done = stepped.both.on(pool).migrate().await;
        if is_made {
            done?;
            let tax = text(pool, "SELECT trim_scale(tax)::text FROM sales.tb_order").await?;
            assert_eq!(tax.as_deref(), Some("4"));
        } else {
            let error = done.unwrap_err().to_string();
            assert!(error.contains("function sales.tax_of(numeric) does not exist"), "{error}");
            assert!(stepped.functions().await?.is_empty(), "nothing was changed");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_declared_function_that_is_missing_is_named_when_all_migrations_are_applied() -> Result<()> {
    let declared = "  tax: {args: {amount: money!, country: text}, returns: money, volatility: stable}\n";
    let acts = "  - name: act\n    steps:\n      - validate: tax(1, 'FR') > 0\n";
    let project = project(&order(declared, acts), None);
    let built = Folder::default().build(&project)?;
    let history = History::default().emitted(&built.step).seal().wanting(&built.compilation);
    let database = TestDatabase::from_sql("").await?;
    let pool = database.pool();
    for (sql, reason) in [
        ("", "there is no such function"),
        (
            "CREATE FUNCTION sales.tax(amount numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0'",
            "there is no such function; there is `sales.tax(amount numeric) returns numeric`",
        ),
        (
            "CREATE FUNCTION sales.tax(a numeric, b text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "it returns another type; there is `sales.tax(a numeric, b text) returns boolean`, and `sales.tax(amount numeric) returns numeric`",
        ),
    ] {
        sqlx::raw_sql(sql).execute(pool).await?;
        let error = history.on(pool).migrate().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "all migrations are applied, but steps call functions that the database does not have as `functions:` declares \
                 them: `sales.tax(amount numeric, country text) returns numeric` ({reason}); create them, or give them a body \
                 (`sql:` or `file:`), and migrate again"
            )
        );
        assert_eq!(call(pool, None, "create_order", json!({"total": "1"})).await?["status"], "success");
    }
    sqlx::raw_sql(
        "DROP FUNCTION sales.tax(numeric, text);
         CREATE FUNCTION sales.tax(a numeric, b text) RETURNS numeric LANGUAGE sql AS 'SELECT a'",
    )
    .execute(pool)
    .await?;
    history.on(pool).migrate().await?;
    assert_eq!(call_act(pool).await?, "success");
    Ok(())
}
