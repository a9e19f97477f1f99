//! What the database cannot hold: said in words, and the widest key.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use specql_compiler::{
    Compilation,
    internals::{
        migrations::{Direction, diff, plan::HazardKind, render::render},
        sql,
    },
};
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool};

/// Notes with one name each, and lines of notes.
fn project(note: &str) -> Result<Compilation> {
    let note = format!(
        "entity: Note\n{note}fields:\n  name: {{type: text, unique: true}}\n  lines: integer! = 0\n\
         actions:\n  - name: create_note\n  - name: delete_note\n"
    );
    let line = "\
entity: Line
fields: {note: ref(Note)!, text: text}
actions:
  - name: add_line
    input: {note: ref(Note)!}
    steps:
      - find: Note WHERE id = $input.note
        as: note
      - insert: Line
        values: {note: $note, text: $note.name}
        as: line
      - update: Note SET lines = lines + 1 WHERE id = $note
      - return: $line
";
    compiled::files(&[("entities/note.yaml", &note), ("entities/line.yaml", line)])
}

/// Status, message and row of an action.
async fn call(pool: &PgPool, action: &str, input: Value) -> Result<(String, Option<String>, Option<Value>)> {
    let sql = format!("SELECT status, message, object_data FROM app.{action}(NULL, NULL, $1)");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(input).fetch_one(pool).await?)
}

/// What no algorithm makes shorter.
async fn noise(pool: &PgPool, bytes: i32) -> Result<String> {
    let sql = "SELECT left(string_agg(md5(n::text), ''), $1) FROM generate_series(1, $1 / 32 + 1) AS n";
    Ok(sqlx::query_scalar(sql).bind(bytes).fetch_one(pool).await?)
}

/// As if so many rows had been there.
async fn almost_full(pool: &PgPool, table: &str) -> Result<()> {
    let sql = format!("ALTER TABLE public.tb_{table} ALTER COLUMN pk_{table} RESTART WITH 2147483647");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
    Ok(())
}

#[tokio::test]
async fn a_unique_text_that_no_index_holds_is_a_validation() -> Result<()> {
    let database = compiled::database(&project("")?).await?;
    let pool = database.pool();
    assert_eq!(call(pool, "create_note", json!({"name": noise(pool, 2_000).await?})).await?.0, "success");
    let words = Some("a value is larger than the database can hold".to_owned());
    let (status, message, _) = call(pool, "create_note", json!({"name": noise(pool, 6_000).await?})).await?;
    assert_eq!((status.as_str(), &message), ("validation:uq_note__name", &words));
    // PostgreSQL names no index where not even a page holds it.
    let (status, message, _) = call(pool, "create_note", json!({"name": noise(pool, 60_000).await?})).await?;
    assert_eq!((status.as_str(), &message), ("validation:too_large", &words));
    let kept: Vec<String> = sqlx::query_scalar(
        "SELECT error_sqlstate || ' ' || split_part(error_message, ' ', 1) FROM app.tb_mutation_audit_log WHERE status <> 'success'",
    )
    .fetch_all(pool)
    .await?;
    assert_eq!(kept, ["54000 index", "54000 index"]);
    Ok(())
}

#[tokio::test]
async fn a_table_whose_keys_are_used_up_says_so() -> Result<()> {
    let database = compiled::database(&project("")?).await?;
    let pool = database.pool();
    almost_full(pool, "note").await?;
    assert_eq!(call(pool, "create_note", json!({"name": "last"})).await?.0, "success");
    let (status, message, _) = call(pool, "create_note", json!({"name": "one more"})).await?;
    assert_eq!(status, "failed:out_of_keys");
    assert_eq!(message.as_deref(), Some("the table has no key left for another row"));
    Ok(())
}

/// Rows beyond the keys of an integer, and such as refer to them.
async fn goes_on_beyond_integers(pool: &PgPool) -> Result<()> {
    almost_full(pool, "note").await?;
    for name in ["last", "beyond"] {
        let (status, _, row) = call(pool, "create_note", json!({"name": name})).await?;
        assert_eq!(status, "success");
        let note = row.context("a row")?["id"].clone();
        let (status, message, line) = call(pool, "add_line", json!({"note": note})).await?;
        assert_eq!(status, "success", "{message:?}");
        let line = line.context("a row")?;
        assert_eq!((&line["note"], &line["text"]), (&note, &json!(name)));
        let data: Value = sqlx::query_scalar("SELECT data FROM public.v_note WHERE id = $1::text::uuid")
            .bind(note.as_str())
            .fetch_one(pool)
            .await?;
        assert_eq!((&data["name"], &data["lines"]), (&json!(name), &json!(1)));
    }
    let last: i64 = sqlx::query_scalar("SELECT max(fk_note) FROM public.tb_line").fetch_one(pool).await?;
    assert_eq!(last, 2_147_483_648);
    Ok(())
}

#[tokio::test]
async fn a_bigint_key_goes_on_where_an_integer_ends() -> Result<()> {
    let database = compiled::database(&project("key: bigint\n")?).await?;
    goes_on_beyond_integers(database.pool()).await
}

#[tokio::test]
async fn a_key_becomes_bigint_with_all_that_refers_to_it_and_the_lock_is_said() -> Result<()> {
    let database = compiled::database(&project("")?).await?;
    let pool = database.pool();
    assert_eq!(call(pool, "create_note", json!({"name": "first"})).await?.0, "success");
    let (old, new) = (sql::schema(&project("")?.model), sql::schema(&project("key: bigint\n")?.model));
    let plan = diff(&old, &new, Direction::Forward);
    let said: Vec<_> = plan.hazards.iter().map(|hazard| (hazard.kind, hazard.id.as_str())).collect();
    let lock = |id| (HazardKind::Lock, id);
    assert_eq!(said, [lock("change_type:public.tb_line.fk_note"), lock("change_type:public.tb_note.pk_note")]);
    sqlx::raw_sql(AssertSqlSafe(render(&plan))).execute(pool).await?;
    goes_on_beyond_integers(pool).await
}
