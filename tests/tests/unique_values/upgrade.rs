//! Databases that were made when deleted rows kept their values: a constraint over all rows becomes an index of the live ones.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use specql_compiler::internals::{
    migrations::{
        Direction, Lock, diff,
        render::{File, files, render},
    },
    sql::{self, Schema, schema},
};
use specql_runtime::testing::TestDatabase;
use specql_tests::{compiled, history::History, locks::Rules};
use sqlx::{AssertSqlSafe, PgPool};

/// The lock of [`PROJECT`] as it was then.
const BEFORE: &str = include_str!("../../fixtures/locks/before_live_uniqueness.lock");

const PROJECT: &str = "
entity: Customer
schema: crm
fields:
  code: {type: text, unique: true}
---
entity: Order
schema: sales
fields:
  number: {type: text, unique: true}
  customer: {type: ref(crm.Customer), unique: true}
";

/// The same under other names, in a step with the upgrade.
const RENAMED: &str = "
entity: {name: Client, renamed_from: Customer}
schema: crm
fields:
  label: {type: text, unique: true, renamed_from: code}
---
entity: Order
schema: sales
fields:
  number: {type: text, unique: true}
  code: {type: text, unique: true}
  customer: {type: ref(crm.Client), unique: true}
";

/// The same in another schema, and under another name.
const MOVED: &str = "
entity: {name: Client, renamed_from: crm.Customer}
schema: people
fields:
  code: {type: text, unique: true}
---
entity: Order
schema: sales
fields:
  number: {type: text, unique: true}
  customer: {type: ref(people.Client), unique: true}
";

/// Nothing but the identifier is unique any more.
const LESS: &str = "
entity: Customer
schema: crm
fields:
  code: text
---
entity: Order
schema: sales
fields:
  number: text
  customer: ref(crm.Customer)
";

const ROWS: &str = "
    INSERT INTO crm.tb_customer (identifier, code, deleted_at) VALUES ('C-1', 'a', NULL), ('C-2', 'b', now()), (NULL, NULL, NULL), (NULL, NULL, now());
    SELECT set_config('app.tenant_id', '00000000-0000-0000-0000-000000000001', false);
    INSERT INTO sales.tb_order (tenant_id, identifier, number, fk_customer) VALUES
        ('00000000-0000-0000-0000-000000000001', 'O-1', 'x', 1), ('00000000-0000-0000-0000-000000000001', NULL, NULL, NULL);
    SELECT set_config('app.tenant_id', '00000000-0000-0000-0000-000000000002', false);
    INSERT INTO sales.tb_order (tenant_id, identifier, number, fk_customer) VALUES ('00000000-0000-0000-0000-000000000002', 'O-1', 'x', 1);
    SELECT set_config('app.tenant_id', '', false);";

fn before() -> Result<Schema> {
    Ok(Lock::parse(BEFORE).map_err(|error| anyhow::anyhow!("{error:?}"))?.snapshot)
}

fn now(project: &str) -> Result<Schema> {
    let domains = ("registry/domain_registry.yaml", "domains: {sales: {multi_tenant: true}}\n");
    Ok(schema(&compiled::files(&[("entities/shop.yaml", project), domains])?.model))
}

async fn run(pool: &PgPool, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.with_context(|| sql.to_owned())?;
    Ok(())
}

async fn catalog(pool: &PgPool) -> Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(sql::CATALOG).fetch_all(pool).await?;
    Ok(rows.into_iter().collect())
}

/// The customers, under whatever name.
async fn customers(pool: &PgPool, table: &str, code: &str) -> Result<Vec<(Option<String>, Option<String>, bool)>> {
    let sql = format!("SELECT identifier, {code}, deleted_at IS NULL FROM {table} ORDER BY id");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await?)
}

/// The constraint that stands against another live row with these values.
async fn stands_against(pool: &PgPool, insert: &str) -> String {
    let error = sqlx::raw_sql(AssertSqlSafe(insert)).execute(pool).await.expect_err("two live rows are equal");
    error.as_database_error().and_then(|error| error.constraint()).unwrap_or_default().to_owned()
}

fn step(project: &str) -> Result<(Vec<File>, String)> {
    let (before, now) = (before()?, now(project)?);
    let plan = diff(&before, &now, Direction::Forward);
    let hazards: Vec<String> = plan.hazards.iter().map(|hazard| hazard.id.clone()).collect();
    let expected: &[&str] = if project == MOVED { &["drop_schema:crm"] } else { &[] };
    assert_eq!(hazards, expected, "{project}");
    Ok((files(&plan, &hazards), render(&diff(&now, &before, Direction::Reverse))))
}

#[tokio::test]
async fn an_upgraded_database_is_as_a_fresh_one_and_goes_back_from_wherever_the_step_stopped() -> Result<()> {
    for (project, table, code) in [
        (PROJECT, "crm.tb_customer", "code"),
        (RENAMED, "crm.tb_client", "label"),
        (MOVED, "people.tb_client", "code"),
        (LESS, "crm.tb_customer", "code"),
    ] {
        let fresh = TestDatabase::from_sql(&now(project)?.render()).await?;
        let database = TestDatabase::from_sql(&before()?.render()).await?;
        let pool = database.pool();
        run(pool, ROWS).await?;
        let (old, rows) = (catalog(pool).await?, customers(pool, "crm.tb_customer", "code").await?);
        let (files, reverse) = step(project)?;
        for stop in 1..=files.len() {
            for file in &files[..stop] {
                run(pool, &file.text).await?;
            }
            if stop < files.len() {
                run(pool, &reverse).await.context(stop)?;
                assert_eq!(catalog(pool).await?, old, "{project}: {stop} of {}", files.len());
                assert_eq!(customers(pool, "crm.tb_customer", "code").await?, rows);
            }
        }
        assert_eq!(catalog(pool).await?, catalog(fresh.pool()).await?, "{project}");
        assert_eq!(customers(pool, table, code).await?, rows);
        run(pool, &reverse).await?;
        assert_eq!(catalog(pool).await?, old, "{project}");
    }
    Ok(())
}

/// By hand, say, or by a tool that goes on after an error.
#[tokio::test]
async fn the_constraint_stays_where_the_index_was_not_finished() -> Result<()> {
    let database = TestDatabase::from_sql(&before()?.render()).await?;
    let pool = database.pool();
    run(pool, ROWS).await?;
    let (files, _) = step(PROJECT)?;
    let (last, others) = files.split_last().unwrap();
    let index = "crm.new_uq_customer__code";
    let makes_it = |file: &&File| file.text.contains("CONCURRENTLY new_uq_customer__code");
    for file in others.iter().filter(|file| !makes_it(file)) {
        run(pool, &file.text).await?;
    }
    let error = format!("{:#}", run(pool, &last.text).await.expect_err("it would leave nothing unique"));
    assert!(error.contains(&format!("index {index} is not there, or was not finished")), "{error}");
    let twice = "INSERT INTO crm.tb_customer (code) VALUES ('a')";
    assert_eq!(stands_against(pool, twice).await, "uq_customer__code");
    run(pool, &others.iter().find(makes_it).unwrap().text).await?;
    run(pool, &last.text).await?;
    assert_eq!(stands_against(pool, twice).await, "uq_customer__code");
    Ok(())
}

#[tokio::test]
async fn no_two_live_rows_are_equal_in_the_middle_of_the_step_and_the_conflict_keeps_its_name() -> Result<()> {
    let database = TestDatabase::from_sql(&before()?.render()).await?;
    let pool = database.pool();
    run(pool, ROWS).await?;
    let (files, _) = step(PROJECT)?;
    assert!(files.iter().any(|file| file.text.contains("CREATE UNIQUE INDEX CONCURRENTLY")));
    let (last, others) = files.split_last().unwrap();
    assert!(last.suffix == "_finish" && last.text.contains("DROP CONSTRAINT"), "{last:#?}");
    for file in others {
        assert!(!file.text.contains("DROP CONSTRAINT"), "{}", file.text);
    }
    let upsert =
        "INSERT INTO crm.tb_customer (code) VALUES ('a') ON CONFLICT (code) WHERE deleted_at IS NULL DO NOTHING";
    run(pool, upsert).await?;
    let [code, identifier] = ["(code) VALUES ('a')", "(identifier) VALUES ('C-1')"];
    for file in &files {
        run(pool, &file.text).await?;
        for (values, name) in [(code, "uq_customer__code"), (identifier, "uq_customer__identifier")] {
            assert_eq!(
                stands_against(pool, &format!("INSERT INTO crm.tb_customer {values}")).await,
                name,
                "{}",
                file.text
            );
        }
        run(pool, upsert).await?;
        let order = "SELECT set_config('app.tenant_id', '00000000-0000-0000-0000-000000000002', false);
            INSERT INTO sales.tb_order (tenant_id, number) VALUES ('00000000-0000-0000-0000-000000000002', 'x')";
        assert_eq!(stands_against(pool, order).await, "uq_order__number", "{}", file.text);
    }
    run(pool, "INSERT INTO crm.tb_customer (identifier, code) VALUES ('C-2', 'b')").await
}

#[test]
fn the_step_locks_no_table_for_long() -> Result<()> {
    let mut rules = Rules::start();
    for project in [PROJECT, RENAMED, MOVED, LESS] {
        let (files, _) = step(project)?;
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(rules.sins(&before()?, &texts), Ok(Vec::new()), "{project}");
    }
    Ok(())
}

/// A deleted row and a live one that are equal: the constraint cannot come back, and nothing else is in the way of going on.
#[tokio::test]
async fn the_way_back_keeps_rows_that_the_constraint_would_not_allow() -> Result<()> {
    let (files, reverse) = step(PROJECT)?;
    let history = files.iter().enumerate().fold(
        History::default().sealed("init", &before()?.render()),
        |history, (number, file)| {
            let reverse = if number == 0 { reverse.as_str() } else { "" };
            history.open(&format!("alter{}", file.suffix), &file.text, reverse)
        },
    );
    let database = TestDatabase::from_sql("").await?;
    let pool = database.pool();
    history.on(pool).migrate().await?;
    let wanted = catalog(pool).await?;
    run(pool, "INSERT INTO crm.tb_customer (code, deleted_at) VALUES ('a', now()), ('a', NULL)").await?;

    history.first(1).on(pool).migrate().await?;
    let constraints = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'crm.tb_customer'::regclass AND contype = 'u'";
    let there: String = sqlx::query_scalar(constraints).fetch_one(pool).await?;
    assert_eq!(there, "uq_customer__id uq_customer__identifier");
    history.on(pool).migrate().await?;
    assert_eq!(catalog(pool).await?, wanted);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM crm.tb_customer WHERE code = 'a'").fetch_one(pool).await?;
    assert_eq!(rows, 2);
    Ok(())
}

#[tokio::test]
async fn a_foreign_key_of_ones_own_stands_against_the_last_file_and_nothing_is_lost() -> Result<()> {
    let database = TestDatabase::from_sql(&before()?.render()).await?;
    let pool = database.pool();
    run(pool, ROWS).await?;
    run(pool, "CREATE TABLE crm.own (code text REFERENCES crm.tb_customer (code))").await?;
    let (files, _) = step(PROJECT)?;
    let (last, others) = files.split_last().unwrap();
    for file in others {
        run(pool, &file.text).await?;
    }
    let refused = format!("{:#}", run(pool, &last.text).await.unwrap_err());
    let words = "cannot drop constraint uq_customer__code on table crm.tb_customer because other objects depend on it";
    assert!(refused.contains(words), "{refused}");
    assert_eq!(stands_against(pool, "INSERT INTO crm.tb_customer (code) VALUES ('a')").await, "uq_customer__code");
    run(pool, "DROP TABLE crm.own").await?;
    run(pool, &last.text).await
}
