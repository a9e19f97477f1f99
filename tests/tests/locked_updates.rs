//! Updates whose values are computed from more than their row: the rows are locked in a statement before, so that whoever waited for one
//! computes from what is there when he goes on, and once.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool};

type Outcome = anyhow::Result<()>;

const PROJECT: &str = "
entity: Ticket
schema: fair
fields: {event: ref(Event)!}
---
entity: Event
schema: fair
fields: {name: text!, number: bigint, taken: bigint! = 0, note: text}
actions:
  - name: number_all
    input: {}
    steps:
      - update: Event SET number = sequence(event_no) WHERE number IS NULL
  - name: buy
    input: {event: ref(Event)!}
    steps:
      - insert: Ticket
        values: {event: $input.event}
      - update: Event SET taken = count(Ticket WHERE event = $input.event) WHERE id = $input.event
";

async fn database() -> anyhow::Result<TestDatabase> {
    let database = compiled::database(&compiled::files(&[("entities/event.yaml", PROJECT)])?).await?;
    let rows = "INSERT INTO fair.tb_event (name) SELECT n FROM unnest('{a,b,c}'::text[]) AS n";
    sqlx::query(rows).execute(database.pool()).await?;
    Ok(database)
}

async fn call(pool: &PgPool, action: &str, input: Value) -> anyhow::Result<()> {
    let sql = format!("SELECT status FROM app.{action}(NULL, NULL, $1)");
    let status: String = sqlx::query_scalar(AssertSqlSafe(sql)).bind(input).fetch_one(pool).await?;
    anyhow::ensure!(status == "success", "{status}");
    Ok(())
}

/// Waits until somebody waits for a lock.
async fn waits(pool: &PgPool) -> anyhow::Result<()> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
    while !sqlx::query_scalar::<_, bool>(sql).fetch_one(pool).await? {}
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_waited_for_takes_one_number_and_one_that_is_lost_meanwhile_takes_none() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let mut other = pool.begin().await?;
    sqlx::raw_sql(
        "UPDATE fair.tb_event SET note = 'x' WHERE name = 'a'; UPDATE fair.tb_event SET number = 0 WHERE name = 'b'",
    )
    .execute(&mut *other)
    .await?;
    let ending = async {
        waits(pool).await?;
        other.commit().await?;
        anyhow::Ok(())
    };
    let (called, ended) = tokio::join!(call(pool, "number_all", json!({})), ending);
    called?;
    ended?;
    let numbers: Vec<(String, i64)> =
        sqlx::query_as("SELECT name, number FROM fair.tb_event ORDER BY name").fetch_all(pool).await?;
    assert_eq!(numbers, [("a".to_owned(), 1), ("b".to_owned(), 0), ("c".to_owned(), 2)]);
    let last: i64 = sqlx::query_scalar("SELECT last_number FROM app.tb_sequence").fetch_one(pool).await?;
    assert_eq!(last, 2);
    Ok(())
}

#[tokio::test]
async fn what_two_callers_insert_and_count_is_counted_by_the_second() -> Outcome {
    let database = database().await?;
    let pool = database.pool();
    let event: String =
        sqlx::query_scalar("SELECT id::text FROM fair.tb_event WHERE name = 'a'").fetch_one(pool).await?;
    let mut first = pool.begin().await?;
    sqlx::query("SELECT app.buy(NULL, NULL, $1)").bind(json!({"event": event})).execute(&mut *first).await?;
    let ending = async {
        waits(pool).await?;
        first.commit().await?;
        anyhow::Ok(())
    };
    let (called, ended) = tokio::join!(call(pool, "buy", json!({"event": event})), ending);
    called?;
    ended?;
    let taken: i64 = sqlx::query_scalar("SELECT taken FROM fair.tb_event WHERE name = 'a'").fetch_one(pool).await?;
    assert_eq!(taken, 2);
    Ok(())
}
