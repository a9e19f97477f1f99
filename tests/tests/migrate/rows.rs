//! What a step demands of rows: they are asked before anything is done, and filled where the model says with what.

use specql_compiler::{SourceFile, SourceKind};
use specql_runtime::database::MigrateError;
use specql_tests::{
    history::{History, shape},
    migrations::{Folder, file},
};
use sqlx::{AssertSqlSafe, Connection as _, PgPool};

use crate::{
    locks::BRIEF,
    sqlx_cli::succeeds,
    support::{migrated, transaction},
};

const TENANTS: [&str; 2] = ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"];

/// Orders with these fields, whose rows may be tenants'.
fn project(fields: &str, of_tenants: bool) -> Vec<SourceFile> {
    let order = format!("entity: Order\nschema: sales\nfields:\n  total: integer!\n{fields}");
    let mut files = vec![file("entities/order.yaml", order)];
    if of_tenants {
        files.push(SourceFile::new(
            "registry/domain_registry.yaml",
            "domains: {sales: {multi_tenant: true}}\n",
            SourceKind::Registry,
        ));
    }
    files
}

/// The first state, and behind it the second.
struct Steps {
    first: History,
    both: History,
}

fn steps(first: &str, second: &str, of_tenants: bool) -> Steps {
    between(&project(first, of_tenants), &project(second, of_tenants))
}

fn between(before: &[SourceFile], after: &[SourceFile]) -> Steps {
    let mut folder = Folder::default();
    let built = folder.build(before).unwrap();
    let history = History::default().emitted(&built.step).seal();
    folder.seal(before, &built.schema).unwrap();
    let both = history.clone().emitted(&folder.build(after).unwrap().step).seal();
    Steps { first: history, both }
}

/// Runs a statement once for each tenant, or once where rows belong to nobody.
async fn act(pool: &PgPool, of_tenants: bool, statement: &str) {
    let tenants: &[&str] = if of_tenants { &TENANTS } else { &[""] };
    let mut connection = pool.acquire().await.unwrap();
    for tenant in tenants {
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(tenant)
            .execute(&mut *transaction)
            .await
            .unwrap();
        let statement = statement.replace("TENANT", if of_tenants { "tenant_id, " } else { "" });
        let id = if of_tenants { format!("'{tenant}', ") } else { String::new() };
        sqlx::raw_sql(AssertSqlSafe(statement.replace("ID ", &id))).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// A value that is the same for both tenants.
async fn ask(pool: &PgPool, of_tenants: bool, question: &str) -> Vec<String> {
    let tenants: &[&str] = if of_tenants { &TENANTS } else { &[""] };
    let mut answers = Vec::new();
    for tenant in tenants {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(tenant)
            .execute(&mut *transaction)
            .await
            .unwrap();
        let sql = AssertSqlSafe(question.to_owned());
        answers.push(sqlx::query_scalar(sql).fetch_one(&mut *transaction).await.unwrap());
        transaction.rollback().await.unwrap();
    }
    answers.dedup();
    answers
}

const CODE: &str = "  code: text!\n";

#[tokio::test]
async fn rows_that_would_not_pass_stop_a_step_before_anything_is_done() {
    for (of_tenants, first, second, insert, expected) in [
        (false, "", CODE, "(TENANTtotal) VALUES (ID 7)", "sales.tb_order holds rows, and code is new and required"),
        (true, "", CODE, "(TENANTtotal) VALUES (ID 7)", "sales.tb_order holds rows, and code is new and required"),
        (false, "  code: text\n", CODE, "(TENANTtotal) VALUES (ID 7)", "rows of sales.tb_order have no code"),
        (true, "  code: text\n", CODE, "(TENANTtotal) VALUES (ID 7)", "rows of sales.tb_order have no code"),
        (
            true,
            "  state: enum(new, paid, lost)\n",
            "  state: enum(new, paid)\n",
            "(TENANTtotal, state) VALUES (ID 7, 'lost')",
            "rows of sales.tb_order break ck_order__state",
        ),
    ] {
        let steps = steps(first, second, of_tenants);
        let database = migrated(&steps.first).await;
        let pool = database.pool();
        act(pool, of_tenants, &format!("INSERT INTO sales.tb_order {insert}")).await;
        let before = shape(pool).await;
        let error = steps.both.on(pool).migrate().await.unwrap_err();
        let MigrateError::RowsInTheWay { message, hint, .. } = &error else { panic!("{error:?}") };
        assert!(message.starts_with(expected) && message.ends_with("nothing was changed"), "{error}");
        assert_eq!(shape(pool).await, before, "{expected}");
        act(pool, of_tenants, "UPDATE sales.tb_order SET total = total + 1").await;

        // What the hint says finds them.
        let find = hint.split("found by: ").nth(1).unwrap();
        let mut connection = pool.acquire().await.unwrap();
        let found = sqlx::raw_sql(AssertSqlSafe(find.to_owned())).fetch_all(&mut *connection).await.unwrap();
        assert_eq!(found.len(), if of_tenants { 2 } else { 1 }, "{find}");
        drop(connection);

        // Without such rows it goes on from there.
        act(pool, of_tenants, "DELETE FROM sales.tb_order").await;
        steps.both.on(pool).migrate().await.unwrap();
        assert_eq!(shape(pool).await, shape(migrated(&steps.both).await.pool()).await);
    }
}

#[tokio::test]
async fn a_backfill_fills_the_rows_of_everybody_and_leaves_values_alone() {
    let filled = "  code: {type: text!, backfill: ('No. ' || total)}\n";
    for (of_tenants, first) in [(false, ""), (true, ""), (true, "  code: text\n")] {
        let steps = steps(first, filled, of_tenants);
        for ours in [true, false] {
            let database = migrated(&steps.first).await;
            let pool = database.pool();
            let insert = "INSERT INTO sales.tb_order (TENANTtotal) SELECT ID n FROM generate_series(1, 2500) AS n";
            act(pool, of_tenants, insert).await;
            if !first.is_empty() {
                act(pool, of_tenants, "UPDATE sales.tb_order SET code = 'own' WHERE total = 3").await;
            }
            if ours {
                steps.both.on(pool).migrate().await.unwrap();
            } else {
                succeeds("run", &steps.both, &database);
            }
            let count = "SELECT count(*) || ' ' || count(DISTINCT code) || ' ' || max(code) FILTER (WHERE total = 3) FROM sales.tb_order";
            let third = if first.is_empty() { "No. 3" } else { "own" };
            assert_eq!(ask(pool, of_tenants, count).await, [format!("2500 2500 {third}")], "{of_tenants} {first}");
            assert_eq!(shape(pool).await, shape(migrated(&steps.both).await.pool()).await);
            let bound = "SELECT relforcerowsecurity::text FROM pg_class WHERE oid = 'sales.tb_order'::regclass";
            assert_eq!(
                ask(pool, of_tenants, bound).await,
                [of_tenants.to_string()],
                "row level security binds the owner"
            );
        }
    }
}

/// Where a role's or a database's transactions see one snapshot only, a row that others have changed would end them.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_gets_on_with_an_application_whatever_the_isolation_of_its_role_is() {
    let steps = steps("", "  code: {type: text!, backfill: ('No. ' || total)}\n", false);
    for isolation in ["repeatable read", "serializable"] {
        let database = migrated(&steps.first).await;
        let pool = database.pool();
        act(pool, false, "INSERT INTO sales.tb_order (total) SELECT n FROM generate_series(1, 20000) AS n").await;
        let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
        let strict =
            PgPool::connect_with(options.options([("default_transaction_isolation", isolation)])).await.unwrap();
        let application = {
            let pool = pool.clone();
            tokio::spawn(async move {
                loop {
                    let busy =
                        "UPDATE sales.tb_order SET updated_at = now() WHERE total % 100 = (random() * 99)::integer";
                    sqlx::query(busy).execute(&pool).await.unwrap();
                }
            })
        };
        let migrated = steps.both.on(&strict).migrate().await;
        application.abort();
        migrated.unwrap();
        let missing = "SELECT count(*)::text FROM sales.tb_order WHERE code IS DISTINCT FROM 'No. ' || total";
        assert_eq!(ask(pool, false, missing).await, ["0"]);
        let kept: String = sqlx::query_scalar("SHOW default_transaction_isolation").fetch_one(&strict).await.unwrap();
        assert_eq!(kept, isolation, "the application's connections have got the migration's settings");
    }
}

/// The line that PostgreSQL sends with an error is one of its own source.
#[tokio::test]
async fn a_backfill_that_fails_says_what_stays_and_goes_on_from_there() {
    let steps = steps("", "  code: {type: text!, backfill: ('No. ' || 100 / (total - 3500))}\n", false);
    let database = migrated(&steps.first).await;
    let pool = database.pool();
    act(pool, false, "INSERT INTO sales.tb_order (total) SELECT n FROM generate_series(1, 5000) AS n").await;
    let error = steps.both.on(pool).migrate().await.unwrap_err();
    let MigrateError::Stopped { version, .. } = &error else { panic!("{error}") };
    assert_eq!(
        error.to_string(),
        format!(
            "migration {version} (order add code backfill) failed and stopped: division by zero (SQLSTATE 22012); the batches of \
             rows that it had done stay; put right what is in the way and migrate again, and it goes on from there"
        )
    );
    assert!(std::error::Error::source(&error).is_none(), "it would be printed twice, with that line");
    let filled = "SELECT count(*)::text FROM sales.tb_order WHERE code IS NOT NULL";
    assert_eq!(ask(pool, false, filled).await, ["3000"]);
    act(pool, false, "UPDATE sales.tb_order SET total = 0 WHERE total = 3500").await;
    steps.both.on(pool).migrate().await.unwrap();
    assert_eq!(ask(pool, false, filled).await, ["5000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_meets_a_locked_row_says_of_which_table() {
    let steps = steps("", "  code: {type: text!, backfill: ('No. ' || total)}\n", false);
    let database = migrated(&steps.first).await;
    let pool = database.pool();
    act(pool, false, "INSERT INTO sales.tb_order (total) SELECT n FROM generate_series(1, 2500) AS n").await;
    // Adding the column wants the whole table, which the one who holds a row has a lock on, too.
    let names: Vec<String> = steps.both.names();
    let before = names.iter().position(|name| name.ends_with("backfill")).unwrap();
    steps.both.first(before).on(pool).migrate().await.unwrap();
    let held = transaction(pool, "SELECT FROM sales.tb_order WHERE total = 2200 FOR UPDATE").await;
    let error = steps.both.on(pool).migrate_with(BRIEF).await.unwrap_err();
    let said = error.to_string();
    let row = "for a lock on a row of sales.tb_order and stopped there, with the batches that it had done: it is held by process";
    assert!(said.contains(row), "{said}");
    assert_eq!(ask(pool, false, "SELECT count(code)::text FROM sales.tb_order").await, ["2000"]);
    held.rollback().await.unwrap();
    steps.both.on(pool).migrate().await.unwrap();
}

#[tokio::test]
async fn rows_that_are_made_while_others_are_filled_are_filled_too() {
    let steps = steps("", "  code: {type: text!, backfill: \"none\"}\n", false);
    let names: Vec<String> = steps.both.names();
    let filled = names.iter().position(|name| name.ends_with("backfill")).unwrap() + 1;
    let database = migrated(&steps.first).await;
    let pool = database.pool();
    act(pool, false, "INSERT INTO sales.tb_order (total) VALUES (1)").await;
    steps.both.first(filled).on(pool).migrate().await.unwrap();
    // By an older binary.
    act(pool, false, "INSERT INTO sales.tb_order (total) VALUES (2)").await;
    steps.both.on(pool).migrate().await.unwrap();
    assert_eq!(ask(pool, false, "SELECT string_agg(code, ' ') FROM sales.tb_order").await, ["none none"]);
}

/// Two columns become required at once: a row that has neither must get both in one statement, for each alone breaks the other's
/// constraint.
#[tokio::test]
async fn rows_that_lack_several_values_get_them_together() {
    let filled =
        "  code: {type: text!, backfill: ('No. ' || total)}\n  cents: {type: integer!, backfill: total * 100}\n";
    for (of_tenants, first) in [(false, ""), (true, "  code: text\n")] {
        let steps = steps(first, filled, of_tenants);
        let until = steps.both.names().iter().position(|name| name.ends_with("backfill")).unwrap() + 1;
        let database = migrated(&steps.first).await;
        let pool = database.pool();
        let insert = |total: u32| format!("INSERT INTO sales.tb_order (TENANTtotal) VALUES (ID {total})");
        act(pool, of_tenants, &insert(1)).await;
        steps.both.first(until).on(pool).migrate().await.unwrap();
        // By an older binary; another one had time for one of the two.
        act(pool, of_tenants, &insert(2)).await;
        act(pool, of_tenants, &insert(3)).await;
        act(pool, of_tenants, "UPDATE sales.tb_order SET cents = 7 WHERE total = 3").await;
        steps.both.on(pool).migrate().await.unwrap();
        let rows = "SELECT string_agg(code || ' ' || cents, ', ' ORDER BY total) FROM sales.tb_order";
        assert_eq!(ask(pool, of_tenants, rows).await, ["No. 1 100, No. 2 200, No. 3 7"]);
    }
}

#[tokio::test]
async fn a_new_field_with_a_default_and_a_backfill_fills_old_rows_and_leaves_the_default_to_new_ones() {
    let region = "  region: {type: text! = unknown, backfill: ('R' || total)}\n";
    for of_tenants in [false, true] {
        let steps = steps("", region, of_tenants);
        let database = migrated(&steps.first).await;
        let pool = database.pool();
        act(pool, of_tenants, "INSERT INTO sales.tb_order (TENANTtotal) VALUES (ID 1)").await;
        steps.both.on(pool).migrate().await.unwrap();
        act(pool, of_tenants, "INSERT INTO sales.tb_order (TENANTtotal) VALUES (ID 2)").await;
        let rows = "SELECT string_agg(region, ' ' ORDER BY total) FROM sales.tb_order";
        assert_eq!(ask(pool, of_tenants, rows).await, ["R1 unknown"]);
        assert_eq!(shape(pool).await, shape(migrated(&steps.both).await.pool()).await);
    }
}

/// What stopped a step, and the rows that its hint finds.
async fn in_the_way(steps: &Steps, pool: &PgPool) -> (String, usize) {
    let before = shape(pool).await;
    let error = steps.both.on(pool).migrate().await.unwrap_err();
    let MigrateError::RowsInTheWay { message, hint, .. } = &error else { panic!("{error:?}") };
    assert_eq!(shape(pool).await, before, "{message}");
    let find = hint.split("found by: ").nth(1).unwrap().to_owned();
    let mut connection = pool.acquire().await.unwrap();
    let found = sqlx::raw_sql(AssertSqlSafe(find)).fetch_all(&mut *connection).await.unwrap();
    // A tenant is set in an answer of its own.
    (message.clone(), found.len())
}

#[tokio::test]
async fn rows_of_nobody_stop_a_schema_that_becomes_multi_tenant_before_anything_is_done() {
    let steps = between(&project("", false), &project("", true));
    let database = migrated(&steps.first).await;
    let pool = database.pool();
    act(pool, false, "INSERT INTO sales.tb_order (total) VALUES (1), (2)").await;
    let (message, found) = in_the_way(&steps, pool).await;
    assert_eq!(message, "sales.tb_order holds rows, which would belong to no tenant; nothing was changed");
    assert_eq!(found, 2);
    act(pool, false, "DELETE FROM sales.tb_order").await;
    steps.both.on(pool).migrate().await.unwrap();
}

#[tokio::test]
async fn equal_rows_stop_a_new_unique_field_before_anything_is_done() {
    for of_tenants in [false, true] {
        let steps = steps("  code: text\n", "  code: {type: text, unique: true}\n", of_tenants);
        let database = migrated(&steps.first).await;
        let pool = database.pool();
        let insert =
            "INSERT INTO sales.tb_order (TENANTtotal, code, deleted_at) VALUES (ID 1, 'a', NULL), (ID 2, 'a', NULL),
            (ID 3, 'b', NULL), (ID 4, 'b', now()), (ID 5, NULL, NULL), (ID 6, NULL, NULL)";
        act(pool, of_tenants, insert).await;
        let (message, found) = in_the_way(&steps, pool).await;
        assert_eq!(message, "rows of sales.tb_order are equal in code; nothing was changed");
        assert_eq!(found, if of_tenants { 3 } else { 2 }, "the tenant, and its two rows");
        act(pool, of_tenants, "UPDATE sales.tb_order SET code = 'c' WHERE total = 2").await;
        steps.both.on(pool).migrate().await.unwrap();
    }
}
