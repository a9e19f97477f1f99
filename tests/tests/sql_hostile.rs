//! Hostile texts through a whole project: wherever YAML may say anything, it comes back from the server as it was written.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use specql_compiler::internals::sql::schema;
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgConnection};

const HOSTILE: &[&str] = &[
    "it's \"quoted\" `ticked`",
    r"\",
    r"\'; DROP TABLE sales.tb_order; --",
    "'; DROP TABLE sales.tb_order; --",
    "$$ $specql$ $specql_1$ $body$ $1",
    "$specql$; DROP TABLE sales.tb_order; --",
    "%s %I %L % %%",
    ":name :'name' :\"name\" \\! echo \\q",
    "U&'\\0041' E'\\n' \\u0041 \\x41",
    "line\nDROP TABLE sales.tb_order;\r\n\ttab",
    "\nfirst and last\n",
    "/* open */ close */ -- end",
    "\u{202E}reversed\u{2066}\u{2069} \u{200B}",
    "naïve \u{1F980} e\u{301}",
    "{\"json\": [\"\\\"\"]}",
    "{} {order} ${order} $order.total {{x}}",
];

/// A text in an expression, in YAML's double quotes (which JSON's are).
fn expression(text: &str) -> String {
    yaml(&format!("'{}'", text.replace('\'', "''")))
}

fn yaml(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// An entity with `text` in every place where a person may write what they like.
fn entity(letter: char, text: &str) -> String {
    let (free, constant) = (yaml(text), expression(text));
    let quoted = format!("'{}'", text.replace('\'', "''"));
    let kind = yaml(&format!("enum(plain, {quoted}) = {quoted}"));
    let json = json!({ text: [text] });
    let condition = yaml(&format!("$input.note <> {quoted}"));
    let update = yaml(&format!("Order{letter} SET number = concat({quoted}, number, {quoted})"));
    let snake = letter.to_ascii_lowercase();
    format!(
        "entity: Order{letter}
schema: sales
description: {free}
fields:
  note: {{type: text, default: {free}, description: {free}}}
  number: text
  kind: {kind}
  document: {{type: json, default: {json}}}
actions:
  - name: place_{snake}
    description: {free}
    steps:
      - insert: Order{letter}
        values: {{number: {free}}}
        as: order
      - update: {update}
      - call_service:
          service: slack
          operation: post_message
          input: {{channel: \"general\", text: {free}}}
          idempotency_key: {{$expr: {constant}}}
  - name: refuse_{snake}
    input: {{note: text!}}
    steps:
      - validate: {condition}
        error: refused
        message: {free}
"
    )
}

fn letters() -> impl Iterator<Item = (char, &'static str)> {
    ('A'..='Z').zip(HOSTILE.iter().copied())
}

/// The database of one project with all texts, made and asked under one reading of backslashes.
async fn texts_come_back(standard_conforming_strings: &str) -> Result<()> {
    let entities: Vec<String> = letters().map(|(letter, text)| entity(letter, text)).collect();
    // The file's own name stands in comments.
    let compilation = compiled::files(&[("entities/or'der */ $specql$\n; x.yaml", &entities.join("---\n"))])?;
    let sql = schema(&compilation.model).render();
    let misleads = |c: char| matches!(c, '\u{200B}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    assert!(!sql.contains(misleads), "a reviewer would not see what is there");

    let setting =
        format!("SET standard_conforming_strings = {standard_conforming_strings}; SET escape_string_warning = off;\n");
    let database = TestDatabase::from_sql(&format!("{setting}{sql}")).await?;
    compiled::register(database.pool(), &compilation).await?;
    let mut connection = database.pool().acquire().await?;
    // Bodies are read again by the session that calls them.
    sqlx::raw_sql(AssertSqlSafe(setting)).execute(&mut *connection).await?;
    for (letter, text) in letters() {
        comes_back(&mut connection, letter.to_ascii_lowercase(), text).await.with_context(|| format!("{text:?}"))?;
    }
    Ok(())
}

async fn comes_back(connection: &mut PgConnection, letter: char, text: &str) -> Result<()> {
    let table = format!("'sales.tb_order_{letter}'::regclass");
    for described in [
        format!("obj_description({table}, 'pg_class')"),
        format!(
            "(SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute AS a
                WHERE a.attrelid = {table} AND a.attname = 'note')"
        ),
        format!("obj_description('app.place_{letter}'::regproc, 'pg_proc')"),
    ] {
        assert_eq!(ask(connection, format!("SELECT to_jsonb({described})")).await?, *text, "{described}");
    }

    let placed =
        ask(connection, format!("SELECT to_jsonb(r) FROM app.place_{letter}(NULL, NULL, '{{}}') AS r")).await?;
    assert_eq!(placed["status"], "success", "{text:?}: {placed}");
    let row = &placed["object_data"];
    assert_eq!(row["note"], *text, "a default");
    assert_eq!(row["kind"], *text, "a member of an enum");
    assert_eq!(row["number"], text.repeat(3), "texts in expressions");
    assert_eq!(row["document"], json!({ text: [text] }), "a default of JSON");
    let queued = ask(
        connection,
        format!("SELECT to_jsonb(j) FROM jobs.tb_job_run AS j WHERE j.id = {}::uuid", quoted_id(&placed)),
    )
    .await?;
    assert_eq!(queued["input_data"]["text"], *text, "an input of a call");

    let refuse = format!("SELECT to_jsonb(r) FROM app.refuse_{letter}(NULL, NULL, $1) AS r");
    let refused: Value =
        sqlx::query_scalar(AssertSqlSafe(refuse)).bind(json!({"note": text})).fetch_one(connection).await?;
    assert_eq!((&refused["status"], &refused["message"]), (&json!("validation:refused"), &json!(text)));
    Ok(())
}

fn quoted_id(placed: &Value) -> String {
    format!("'{}'", placed["extra_metadata"]["job_id"].as_str().unwrap())
}

async fn ask(connection: &mut PgConnection, sql: String) -> Result<Value> {
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?)
}

#[tokio::test]
async fn texts_of_a_project_come_back_as_they_were_written() -> Result<()> {
    texts_come_back("on").await
}

#[tokio::test]
async fn they_do_so_where_backslashes_escape_in_every_string() -> Result<()> {
    texts_come_back("off").await
}
