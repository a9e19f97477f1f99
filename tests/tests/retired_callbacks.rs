//! A callback that the model no longer has, or has under another name: jobs that are queued already still run it.

use anyhow::{Context as _, Result};
use serde_json::json;
use specql_compiler::{
    Compilation,
    internals::{
        migrations::{self, Direction, diff, render::files},
        sql::{Schema, schema},
    },
};
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool};

/// An order whose charge is followed by this; another call keeps the queue in the project.
fn order(callbacks: &str) -> Result<Compilation> {
    let text = format!(
        "entity: Order\nschema: sales\nfields:\n  total: integer!\n  state: text! = new\nactions:\n  - name: place_order\n    \
         steps:\n      - insert: Order\n        as: order\n      - call_service:\n          service: stripe\n          \
         operation: create_charge\n          input: {{amount: $order.total}}\n{callbacks}"
    );
    compiled::files(&[("entities/order.yaml", &text)])
}

const CALLBACKS: &str = "          on_success:
            - update: Order SET state = 'paid'
          on_failure:
            - update: Order SET state = 'failed'
";

/// Applies what takes a database from one model to the other, file by file.
async fn migrate(pool: &PgPool, from: &Compilation, to: &Compilation) -> Result<String> {
    migrate_schema(pool, &schema(&from.model), to).await
}

async fn migrate_schema(pool: &PgPool, from: &Schema, to: &Compilation) -> Result<String> {
    let plan = diff(from, &schema(&to.model), Direction::Forward);
    assert!(plan.hazards.is_empty(), "{:?}", plan.hazards);
    let mut all = String::new();
    for file in files(&plan, &[]) {
        sqlx::raw_sql(AssertSqlSafe(file.text.clone())).execute(pool).await.context(file.text.clone())?;
        all.push_str(&file.text);
    }
    Ok(all)
}

async fn place(pool: &PgPool) -> Result<()> {
    let status: String = sqlx::query_scalar("SELECT status FROM app.place_order(NULL, NULL, $1)")
        .bind(json!({"total": 1}))
        .fetch_one(pool)
        .await?;
    assert_eq!(status, "success");
    Ok(())
}

async fn states(pool: &PgPool) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT state FROM sales.tb_order ORDER BY pk_order").fetch_all(pool).await?)
}

async fn retired(pool: &PgPool) -> Result<Vec<bool>> {
    Ok(sqlx::query_scalar("SELECT retired_at IS NOT NULL FROM jobs.tb_callback ORDER BY key").fetch_all(pool).await?)
}

async fn batched(pool: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(batch_function) FROM jobs.tb_callback").fetch_one(pool).await?)
}

#[tokio::test]
async fn a_job_that_was_queued_before_the_step_went_still_runs_its_callback() -> Result<()> {
    let (with, without) = (order(CALLBACKS)?, order("")?);
    let database = compiled::database(&with).await?;
    let pool = database.pool();
    place(pool).await?;

    let migration = migrate(pool, &with, &without).await?;
    // What did the same for many jobs at once may go.
    let kept = |line: &&str| line.starts_with("DROP FUNCTION") && !line.contains("_batch(");
    assert_eq!(migration.lines().find(kept), None, "{migration}");
    assert_eq!(batched(pool).await?, 0);
    assert_eq!(retired(pool).await?, [true, true]);
    assert_eq!(compiled::complete_one(pool).await?, "completed");
    assert_eq!(states(pool).await?, ["paid"]);

    // What is queued from now on has no callback.
    place(pool).await?;
    let callback: Option<String> =
        sqlx::query_scalar("SELECT on_success FROM jobs.tb_job_run ORDER BY 1 NULLS FIRST").fetch_one(pool).await?;
    assert_eq!(callback, None);
    assert_eq!(compiled::complete_one(pool).await?, "completed");
    assert_eq!(states(pool).await?, ["paid", "new"]);
    Ok(())
}

#[tokio::test]
async fn a_callback_that_comes_back_is_no_longer_retired() -> Result<()> {
    let (with, without) = (order(CALLBACKS)?, order("")?);
    let database = compiled::database(&with).await?;
    let pool = database.pool();
    migrate(pool, &with, &without).await?;
    migrate(pool, &without, &with).await?;
    assert_eq!(retired(pool).await?, [false, false]);
    assert_eq!(batched(pool).await?, 2);
    place(pool).await?;
    assert_eq!(compiled::complete_one(pool).await?, "completed");
    assert_eq!(states(pool).await?, ["paid"]);
    Ok(())
}

/// The order under another name, in another schema, with another field and another action.
fn purchase(callbacks: &str) -> Result<Compilation> {
    let text = format!(
        "entity: Purchase\nschema: shop\nrenamed_from: sales.Order\nfields:\n  total: integer!\n  \
         progress: {{type: text!, default: new, renamed_from: state}}\nactions:\n  - name: buy\n    \
         steps:\n      - insert: Purchase\n        as: purchase\n      - call_service:\n          service: stripe\n          \
         operation: create_charge\n          input: {{amount: $purchase.total}}\n{callbacks}"
    );
    compiled::files(&[("entities/purchase.yaml", &text)])
}

async fn progress(pool: &PgPool) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT progress FROM shop.tb_purchase ORDER BY pk_purchase").fetch_all(pool).await?)
}

#[tokio::test]
async fn a_job_that_was_queued_before_its_entity_was_renamed_and_moved_still_runs_its_callback() -> Result<()> {
    let (order, purchase) = (order(CALLBACKS)?, purchase("")?);
    let database = compiled::database(&order).await?;
    let pool = database.pool();
    place(pool).await?;
    migrate(pool, &order, &purchase).await?;
    assert_eq!(progress(pool).await?, ["new"]);
    assert_eq!(compiled::complete_one(pool).await?, "completed");
    assert_eq!(progress(pool).await?, ["paid"]);
    Ok(())
}

#[tokio::test]
async fn a_callback_that_was_retired_long_ago_follows_a_later_rename() -> Result<()> {
    let (with, without, purchase) = (order(CALLBACKS)?, order("")?, purchase("")?);
    let database = compiled::database(&with).await?;
    let pool = database.pool();
    place(pool).await?;
    migrate(pool, &with, &without).await?;
    // What the lock keeps of the first migration.
    let (before, mut sealed) = (schema(&with.model), schema(&without.model));
    sealed.retired = migrations::retired(&before, &sealed);
    assert_eq!(sealed.retired.len(), 2);
    migrate_schema(pool, &sealed, &purchase).await?;
    assert_eq!(compiled::complete_one(pool).await?, "completed");
    assert_eq!(progress(pool).await?, ["paid"]);
    Ok(())
}

#[tokio::test]
async fn a_job_that_was_queued_before_its_field_was_renamed_still_runs_its_callback() -> Result<()> {
    let before = order(CALLBACKS)?;
    let text = "entity: Order\nschema: sales\nfields:\n  total: integer!\n  \
                progress: {type: text!, default: new, renamed_from: state}\nactions:\n  - name: place_order\n    \
                steps:\n      - insert: Order\n        as: order\n      - call_service:\n          service: stripe\n          \
                operation: create_charge\n          input: {amount: $order.total}\n";
    let text = format!("{text}{}", CALLBACKS.replace("SET state", "SET progress"));
    let after = compiled::files(&[("entities/order.yaml", &text)])?;
    let database = compiled::database(&before).await?;
    let pool = database.pool();
    place(pool).await?;
    migrate(pool, &before, &after).await?;
    assert_eq!(compiled::complete_one(pool).await?, "completed");
    let progress: String = sqlx::query_scalar("SELECT progress FROM sales.tb_order").fetch_one(pool).await?;
    assert_eq!(progress, "paid");
    Ok(())
}

#[tokio::test]
async fn a_job_that_was_queued_before_its_step_moved_to_another_action_still_runs_its_callback() -> Result<()> {
    let before = order(CALLBACKS)?;
    let text = format!(
        "entity: Order\nschema: sales\nfields:\n  total: integer!\n  state: text! = new\nactions:\n  - name: place_order\n    \
         steps:\n      - insert: Order\n  - name: pay_order\n    steps:\n      - call_service:\n          service: stripe\n          \
         operation: create_charge\n          input: {{amount: $order.total}}\n{CALLBACKS}"
    );
    let after = compiled::files(&[("entities/order.yaml", &text)])?;
    let database = compiled::database(&before).await?;
    let pool = database.pool();
    place(pool).await?;
    migrate(pool, &before, &after).await?;
    assert_eq!(compiled::complete_one(pool).await?, "completed");
    assert_eq!(states(pool).await?, ["paid"]);
    Ok(())
}
