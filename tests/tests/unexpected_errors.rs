//! An error that nobody foresaw: its cause reaches those who mend it, and never the answer.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use specql_runtime::{
    ActionError, Database, Project, Worker,
    client::{Action, ActionCall},
    testing::TestDatabase,
};
use specql_tests::{compiled, logged};

const ORDER: &str = "
entity: Order
schema: sales
fields: {note: text!}
schedules: [{name: hourly, cron: '0 * * * *', action: take, input: {note: \"s3cret\"}, catch_up: one}]
actions:
  - name: take
    input: {note: text!}
    steps: [{insert: Order, values: {note: $input.note}}]
";

/// Raises what PostgreSQL itself would say, quoting the row.
const BROKEN: &str = "
CREATE FUNCTION sales.count_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    _count INTEGER;
BEGIN
    IF NEW.note <> 'fine' THEN
        _count := NEW.note::integer;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER count_note BEFORE INSERT ON sales.tb_order FOR EACH ROW EXECUTE FUNCTION sales.count_note();";

static PROJECT: Project = Project {
    name: "test",
    root: "",
    compiler_version: "",
    migrations: &[],
    registry: "{\"services\":{}}",
    uses_jobs: true,
    functions: &[],
};

#[derive(Serialize)]
struct Take {
    note: &'static str,
}

impl Action for Take {
    const WRAPPER: &'static str = "take";
    type Row = serde_json::Value;
}

fn take(note: &'static str) -> ActionCall<Take> {
    ActionCall::new(Take { note })
}

async fn broken() -> Result<(TestDatabase, Database)> {
    let test = compiled::database(&compiled::files(&[("entities/order.yaml", ORDER)])?).await?;
    sqlx::raw_sql(BROKEN).execute(test.pool()).await?;
    let database = Database::from_pool(test.pool().clone(), &PROJECT);
    Ok((test, database))
}

/// The newest audit row: its key, and what it says of an error.
async fn audit(database: &Database) -> Result<(i64, Option<String>, Option<String>, Option<String>)> {
    Ok(sqlx::query_as(
        "SELECT pk_mutation_audit_log, error_sqlstate, error_message, error_context
        FROM app.tb_mutation_audit_log ORDER BY pk_mutation_audit_log DESC LIMIT 1",
    )
    .fetch_one(database.pool())
    .await?)
}

/// The warnings and errors that were logged, without those of other tasks.
fn troubles(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect()
}

#[tokio::test]
async fn the_client_logs_the_sqlstate_and_where_the_whole_is_and_answers_neither() -> Result<()> {
    let (_test, database) = broken().await?;
    logged::keep();
    let refused = take("s3cret").send(&database).await.unwrap_err();
    let said = logged::take();
    let (pk, sqlstate, message, context) = audit(&database).await?;
    assert_eq!(sqlstate.as_deref(), Some("22P02"));
    assert!(message.unwrap().contains("s3cret") && context.unwrap().contains("count_note"), "the row has all of it");

    let [line] = troubles(&said)[..] else { panic!("{said}") };
    for part in ["ERROR", "action=\"take\"", "22P02", "sales.count_note() line 6", &format!("audit_row={pk}")] {
        assert!(line.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("s3cret"), "{said}");

    let ActionError::Failed { code, message } = &refused else { panic!("{refused}") };
    assert_eq!(code, "unexpected_error");
    assert_eq!(message.as_deref(), Some("an unexpected error occurred; nothing was changed"));
    let answer: String = sqlx::query_scalar("SELECT to_jsonb(app.take(NULL, NULL, '{\"note\": \"s3cret\"}'))::text")
        .fetch_one(database.pool())
        .await?;
    for part in ["22P02", "s3cret", "count_note", "audit"] {
        assert!(!answer.contains(part), "{part}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn what_one_call_left_is_not_said_of_the_next_in_its_transaction() -> Result<()> {
    let (_test, database) = broken().await?;
    logged::keep();
    let mut transaction = database.begin().await?;
    take("s3cret").send(&mut transaction).await.unwrap_err();
    assert_eq!(troubles(&logged::take()).len(), 1);
    take("fine").send(&mut transaction).await?;
    assert_eq!(troubles(&logged::take()), [""; 0]);
    transaction.commit().await?;
    let after: Option<String> =
        sqlx::query_scalar("SELECT nullif(current_setting('specql.unexpected_error', true), '')")
            .fetch_one(database.pool())
            .await?;
    assert_eq!(after, None, "it ends with the transaction");
    Ok(())
}

/// What a worker logs of the schedule, until it has run that often.
async fn scheduled(database: &Database, runs: i64) -> Result<String> {
    sqlx::query("UPDATE jobs.tb_schedule SET counted_to = now() - interval '2 hours'").execute(database.pool()).await?;
    logged::keep();
    let worker = Worker::builder(database).shutdown_timeout(Duration::from_secs(5)).start().await?;
    let mut done = 0;
    for _ in 0..800 {
        done = sqlx::query_scalar("SELECT runs FROM jobs.tb_schedule").fetch_one(database.pool()).await?;
        if done >= runs {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::ensure!(done >= runs, "it ran {done} times");
    worker.shutdown().await?;
    Ok(logged::take())
}

#[tokio::test]
async fn the_worker_logs_it_of_a_scheduled_action() -> Result<()> {
    let (_test, database) = broken().await?;
    let said = scheduled(&database, 1).await?;
    let (pk, sqlstate, ..) = audit(&database).await?;
    assert_eq!(sqlstate.as_deref(), Some("22P02"));
    let [line] = troubles(&said)[..] else { panic!("{said}") };
    for part in ["ERROR", "Order.hourly", "22P02", "sales.count_note() line 6", &format!("audit_row={pk}")] {
        assert!(line.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
    let (status, message): (String, String) =
        sqlx::query_as("SELECT last_status, last_message FROM jobs.v_schedule").fetch_one(database.pool()).await?;
    assert_eq!(status, "failed:unexpected_error");
    assert!(!message.contains("s3cret"), "{message}");
    Ok(())
}

#[tokio::test]
async fn an_action_that_cannot_be_called_has_an_audit_row_too() -> Result<()> {
    let (_test, database) = broken().await?;
    sqlx::raw_sql("DROP FUNCTION app.take(uuid, uuid, jsonb)").execute(database.pool()).await?;
    let said = scheduled(&database, 1).await?;
    let (pk, sqlstate, message, _) = audit(&database).await?;
    assert_eq!(sqlstate.as_deref(), Some("42883"));
    assert!(message.unwrap().contains("app.take"));
    let [line] = troubles(&said)[..] else { panic!("{said}") };
    assert!(line.contains("42883") && line.contains(&format!("audit_row={pk}")), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_schedule_whose_audit_row_cannot_be_written_says_so_and_goes_on() -> Result<()> {
    let (_test, database) = broken().await?;
    sqlx::raw_sql("ALTER TABLE app.tb_mutation_audit_log ADD CONSTRAINT ck_full CHECK (false) NOT VALID")
        .execute(database.pool())
        .await?;
    let said = scheduled(&database, 1).await?;
    let [line] = troubles(&said)[..] else { panic!("{said}") };
    assert!(line.contains("23514") && !line.contains("audit_row="), "{said}");
    let failures: i64 = sqlx::query_scalar("SELECT failures FROM jobs.v_schedule").fetch_one(database.pool()).await?;
    assert_eq!(failures, 1);
    Ok(())
}
