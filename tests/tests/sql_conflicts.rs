//! Actions in transactions that meet: what only the caller can repeat is raised to the caller.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

const COUNTER: &str = "\
entity: Counter
fields:
  number: integer! = 0
actions:
  - name: create_counter
  - name: count
    steps:
      - update: Counter SET number = number + 1
";

async fn database() -> Result<TestDatabase> {
    compiled::database(&compiled::files(&[("entities/counter.yaml", COUNTER)])?).await
}

async fn new_counter(pool: &PgPool) -> Result<Uuid> {
    Ok(sqlx::query_scalar("SELECT id FROM app.create_counter(NULL, NULL, '{}')").fetch_one(pool).await?)
}

/// The status of `count`.
async fn count(connection: &mut PgConnection, counter: Uuid) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT status FROM app.count(NULL, NULL, $1)")
        .bind(json!({"id": counter}))
        .fetch_one(connection)
        .await
}

/// The SQLSTATE that was raised.
fn raised(result: Result<String, sqlx::Error>) -> String {
    let error = result.expect_err("this should have been raised, not answered").into_database_error().unwrap();
    error.code().unwrap().into_owned()
}

async fn number(pool: &PgPool, counter: Uuid) -> Result<i32> {
    let data: Value =
        sqlx::query_scalar("SELECT data FROM public.v_counter WHERE id = $1").bind(counter).fetch_one(pool).await?;
    Ok(serde_json::from_value(data["number"].clone())?)
}

#[tokio::test]
async fn a_serialisation_failure_is_raised_and_the_repeated_transaction_succeeds() -> Result<()> {
    let database = database().await?;
    let pool = database.pool();
    let counter = new_counter(pool).await?;
    let mut late = pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
    let _: i64 = sqlx::query_scalar("SELECT count(*) FROM public.tb_counter").fetch_one(&mut *late).await?;

    let mut early = pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
    assert_eq!(count(&mut early, counter).await?, "success");
    early.commit().await?;

    assert_eq!(raised(count(&mut late, counter).await), "40001");
    late.rollback().await?;
    let mut again = pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
    assert_eq!(count(&mut again, counter).await?, "success");
    again.commit().await?;
    assert_eq!(number(pool, counter).await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_deadlock_is_raised_to_one_of_both_and_the_other_goes_on() -> Result<()> {
    let database = database().await?;
    let pool = database.pool();
    let (a, b) = (new_counter(pool).await?, new_counter(pool).await?);
    let (mut one, mut two) = (pool.begin().await?, pool.begin().await?);
    assert_eq!(count(&mut one, a).await?, "success");
    assert_eq!(count(&mut two, b).await?, "success");
    let crossed = async {
        // Whoever is refused lets go, so that the other one gets its lock.
        let (first, second) = tokio::join!(
            async {
                let result = count(&mut one, b).await;
                if result.is_err() {
                    one.rollback().await.unwrap()
                } else {
                    one.commit().await.unwrap()
                }
                result
            },
            async {
                let result = count(&mut two, a).await;
                if result.is_err() {
                    two.rollback().await.unwrap()
                } else {
                    two.commit().await.unwrap()
                }
                result
            }
        );
        let (refused, done) = if first.is_err() { (first, second) } else { (second, first) };
        (raised(refused), done)
    };
    let (refused, done) = tokio::time::timeout(Duration::from_secs(30), crossed).await?;
    assert_eq!((refused.as_str(), done?.as_str()), ("40P01", "success"));
    assert_eq!((number(pool, a).await?, number(pool, b).await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn a_cancelled_action_is_raised_too() -> Result<()> {
    let database = database().await?;
    let pool = database.pool();
    let counter = new_counter(pool).await?;
    let mut holder = pool.begin().await?;
    assert_eq!(count(&mut holder, counter).await?, "success");
    let mut waiting = pool.begin().await?;
    sqlx::raw_sql("SET LOCAL statement_timeout = '200ms'").execute(&mut *waiting).await?;
    assert_eq!(raised(count(&mut waiting, counter).await), "57014");
    Ok(())
}
