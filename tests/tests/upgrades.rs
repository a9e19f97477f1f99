//! A project that was begun with an earlier state of SpecQL: its next migration takes `app` and `jobs` along, and its jobs go on.
//!
//! The locks in `tests/fixtures/locks/` are those of the shop at the time. What is asked of the plan is asked of the real
//! history of the queue's schema: new columns and keys, other signatures, tables and partitions that came later.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::json;
use specql_compiler::internals::{
    migrations::{self, Direction, Lock, Plan, diff, plan::HazardKind, render::files},
    sql::{self, Schema, schema},
};
use specql_runtime::testing::TestDatabase;
use specql_tests::{app::repository, compiled};
use sqlx::{AssertSqlSafe, PgPool};

const EARLIER: [(&str, &str); 3] = [
    ("before_lanes", include_str!("../fixtures/locks/before_lanes.lock")),
    ("before_one_row_outcomes", include_str!("../fixtures/locks/before_one_row_outcomes.lock")),
    ("before_codes", include_str!("../fixtures/locks/before_codes.lock")),
];

fn snapshot(text: &str) -> Result<Schema> {
    Ok(Lock::parse(text).map_err(|error| anyhow::anyhow!("{error:?}"))?.snapshot)
}

/// File by file, as sqlx does it. What this asks of rows is the queue's own, and holds for them.
async fn upgrade(pool: &PgPool, plan: &Plan) -> Result<()> {
    let impossible: Vec<_> = plan.hazards.iter().filter(|hazard| hazard.kind == HazardKind::Impossible).collect();
    assert!(impossible.is_empty(), "{impossible:#?}");
    for file in files(plan, &[]) {
        sqlx::raw_sql(AssertSqlSafe(file.text.clone())).execute(pool).await.context(file.text)?;
    }
    Ok(())
}

async fn catalog(pool: &PgPool) -> Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(sql::CATALOG).fetch_all(pool).await?;
    Ok(rows.into_iter().collect())
}

#[tokio::test]
async fn an_upgraded_database_is_the_same_as_a_fresh_one() -> Result<()> {
    let shop = compiled::folder(&repository().join("examples/shop"))?;
    let now = schema(&shop.model);
    let fresh = TestDatabase::from_sql(&now.render()).await?;
    let wanted = catalog(fresh.pool()).await?;
    for (name, lock) in EARLIER {
        let before = snapshot(lock)?;
        let database = TestDatabase::from_sql(&before.render()).await?;
        upgrade(database.pool(), &diff(&before, &now, Direction::Forward)).await.context(name)?;
        let is = catalog(database.pool()).await?;
        let differs = |(object, definition): &(&String, &String)| wanted.get(*object) != Some(definition);
        let differences: Vec<_> = is.iter().filter(differs).collect();
        assert!(differences.is_empty(), "{name}: {differences:#?}");
        assert!(wanted.keys().all(|object| is.contains_key(object)), "{name}");
        assert!(migrations::retired(&before, &now).is_empty());
        // Rows that an earlier state did not have.
        let rows = "SELECT (SELECT count(*) FROM jobs.tb_retention) * 10 + (SELECT count(*) FROM jobs.tb_upkeep)";
        assert_eq!(sqlx::query_scalar::<_, i64>(rows).fetch_one(database.pool()).await?, 51, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_view_gets_its_new_columns_in_place_and_keeps_what_stands_on_it() -> Result<()> {
    let shop = compiled::folder(&repository().join("examples/shop"))?;
    for (name, lock) in EARLIER {
        let before = snapshot(lock)?;
        let database = TestDatabase::from_sql(&before.render()).await?;
        let pool = database.pool();
        sqlx::raw_sql(
            "CREATE VIEW public.totals AS SELECT sum((data ->> 'total')::integer) AS total FROM sales.v_order;
             INSERT INTO sales.tb_order (customer_email, total) VALUES ('ada@example.eu', 5);
             GRANT SELECT (data) ON sales.v_order TO pg_monitor;",
        )
        .execute(pool)
        .await?;
        upgrade(pool, &diff(&before, &schema(&shop.model), Direction::Forward)).await.context(name)?;
        let seen: (i64, bool, bool) = sqlx::query_as(
            "SELECT (SELECT total FROM public.totals),
                 (SELECT created_at = (data ->> 'created_at')::timestamptz AND updated_at IS NOT NULL FROM sales.v_order),
                 has_column_privilege('pg_monitor', 'sales.v_order', 'data', 'SELECT')",
        )
        .fetch_one(pool)
        .await?;
        assert_eq!(seen, (5, true, true), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn jobs_that_were_queued_before_an_upgrade_are_done_after_it() -> Result<()> {
    let shop = compiled::folder(&repository().join("examples/shop"))?;
    for (name, lock) in EARLIER {
        let before = snapshot(lock)?;
        let database = TestDatabase::from_sql(&before.render()).await?;
        let pool = database.pool();
        sqlx::query("SELECT jobs.register_operations($1)")
            .bind(
                json!([{"service": "stripe", "operation": "create_charge", "timeout_seconds": 30, "max_attempts": 3}]),
            )
            .execute(pool)
            .await?;
        let status: String = sqlx::query_scalar("SELECT status FROM app.place_order(NULL, NULL, $1)")
            .bind(json!({"customer_email": "ada@example.eu", "total": 1999}))
            .fetch_one(pool)
            .await?;
        assert_eq!(status, "success");

        upgrade(pool, &diff(&before, &schema(&shop.model), Direction::Forward)).await.context(name)?;

        compiled::register(pool, &shop).await?;
        assert_eq!(compiled::complete_one(pool).await.context(name)?, "completed");
        let (state, charge): (String, String) =
            sqlx::query_as("SELECT payment_status, charge_id FROM sales.tb_order").fetch_one(pool).await?;
        assert_eq!((state.as_str(), charge.as_str()), ("paid", "ch_1"), "{name}");
    }
    Ok(())
}

#[test]
fn a_binary_from_before_codes_still_starts_beside_the_upgraded_queue() -> Result<()> {
    let shop = compiled::folder(&repository().join("examples/shop"))?;
    let before = snapshot(include_str!("../fixtures/locks/before_codes.lock"))?;
    let plan = diff(&before, &schema(&shop.model), Direction::Forward);
    assert_eq!(plan.breaking, Vec::<String>::new());
    Ok(())
}
