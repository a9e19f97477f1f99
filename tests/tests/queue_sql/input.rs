//! What an input may be: `jobs.checked_input`.

use anyhow::Result;
use serde_json::Value;

use crate::support::Queue;

/// The SQLSTATE and the message with which an input is refused; nothing where it is taken.
async fn refusal(queue: &Queue, input: &str) -> Result<Option<(String, String)>> {
    let sql = format!("SELECT jobs.checked_input({input}) IS NOT DISTINCT FROM {input}");
    match sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(sql)).fetch_one(queue.db.pool()).await {
        Ok(same) => {
            assert!(same, "it was changed: {input:.100}");
            Ok(None)
        }
        Err(sqlx::Error::Database(error)) => {
            Ok(Some((error.code().unwrap_or_default().into_owned(), error.message().to_owned())))
        }
        Err(error) => Err(error.into()),
    }
}

fn nested(levels: usize, innermost: &str) -> String {
    format!("'{}{innermost}{}'::jsonb", "[".repeat(levels), "]".repeat(levels))
}

#[tokio::test]
async fn an_input_may_be_a_hundred_levels_deep_and_no_deeper() -> Result<()> {
    let queue = Queue::new().await?;
    let objects = |levels: usize| format!("'{}1{}'::jsonb", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for fits in
        [nested(100, ""), nested(100, "1"), objects(100), nested(99, r#"{"a": "[[[[[["}"#), "NULL::jsonb".into()]
    {
        assert_eq!(refusal(&queue, &fits).await?, None, "{fits}");
    }
    let deep = [nested(101, ""), nested(101, "1"), objects(101), nested(100, r#"{"a": 1}"#), nested(3_000, "")];
    for too_deep in deep {
        let (code, message) = refusal(&queue, &too_deep).await?.expect("it is too deep");
        assert_eq!((code.as_str(), message.as_str()), ("54000", "the input of a job is nested deeper than 100 levels"));
    }
    Ok(())
}

#[tokio::test]
async fn an_input_may_have_sixteen_mebibytes_and_no_more() -> Result<()> {
    let queue = Queue::new().await?;
    let large = |bytes: usize| format!("jsonb_build_object('a', repeat('x', {bytes}))");
    let frame = r#"{"a": ""}"#.len();
    assert_eq!(refusal(&queue, &large(16 * 1024 * 1024 - frame)).await?, None);
    let (code, message) = refusal(&queue, &large(16 * 1024 * 1024 - frame + 1)).await?.expect("it is too large");
    assert_eq!(code, "54000");
    assert_eq!(message, "the input of a job has 16777217 bytes; at most 16777216 (16 MiB) are allowed");
    Ok(())
}

#[tokio::test]
async fn what_a_table_holds_compressed_is_measured_by_what_it_is() -> Result<()> {
    let queue = Queue::new().await?;
    let statement = format!(
        "CREATE TABLE stored (name text, input jsonb); ALTER TABLE stored ALTER input SET STORAGE main;
         INSERT INTO stored VALUES ('large', jsonb_build_object('a', repeat('x', 17 * 1024 * 1024))),
             ('deep', {}), ('fine', jsonb_build_object('a', repeat('x', 5000)))",
        nested(1_000, "")
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(queue.db.pool()).await?;
    let sizes = "SELECT bool_and(pg_column_compression(input) IS NOT NULL) FROM stored";
    assert!(sqlx::query_scalar::<_, bool>(sizes).fetch_one(queue.db.pool()).await?, "they are not compressed");
    let stored = |name: &str| {
        let sql = format!("SELECT jobs.checked_input(input) ->> 'b' FROM stored WHERE name = '{name}'");
        sqlx::query_scalar::<_, Option<String>>(sqlx::AssertSqlSafe(sql)).fetch_one(queue.db.pool())
    };
    assert_eq!(stored("fine").await?, None);
    for name in ["large", "deep"] {
        let error = stored(name).await.expect_err(name);
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("54000"), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn every_number_of_jsonb_keeps_its_digits_on_the_way_in() -> Result<()> {
    let queue = Queue::new().await?;
    let text = r#"{"list": [123456789012345.6789, 99999999999999.99], "amount": 999999999999999.9999}"#;
    let sql = "SELECT jobs.checked_input($1::text::jsonb)::text";
    let taken: String = sqlx::query_scalar(sql).bind(text).fetch_one(queue.db.pool()).await?;
    assert_eq!(taken, text);
    assert_eq!(serde_json::from_str::<Value>(&taken)?["list"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn every_way_to_queue_a_job_refuses_an_input_that_is_too_deep() -> Result<()> {
    let queue = Queue::new().await?;
    let deep = nested(101, "");
    for statement in [
        format!("SELECT jobs.enqueue('pay', 'charge', {deep})"),
        format!("SELECT jobs.enqueue_many('pay', 'charge', ARRAY['{{}}', {deep}])"),
        format!("INSERT INTO jobs.tb_job_run (service_name, operation, input_data) VALUES ('pay', 'charge', {deep})"),
        format!(
            "SELECT jobs.enqueue_step('pay', 'charge', {deep}, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, \
             NULL, NULL)"
        ),
    ] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).execute(queue.db.pool()).await;
        assert_eq!(crate::support::raised(refused).0, "54000", "{statement}");
    }
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_run").await?, 0);
    Ok(())
}
