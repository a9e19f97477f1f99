//! Names and texts, however hostile, come back from a real server as they went in.

use serde_json::json;
use specql_compiler::internals::sql::quote;
use specql_runtime::testing::{TestDatabase, TestError};
use sqlx::{AssertSqlSafe, PgConnection, Row};

const HOSTILE: &[&str] = &[
    "",
    "it's",
    r"\",
    r"\'; DROP TABLE x; --",
    "'; DROP TABLE x; --",
    "$$ $specql$ $1",
    "%s %I %L",
    ":name :'name' \\! echo",
    "U&'\\0041' E'\\n'",
    "line\nline\r\n\ttab",
    "/* */ --",
    "\u{202E}reversed\u{2066}",
    "naïve \u{1F980} e\u{301}",
    "\u{FEFF}bom",
    "\u{7F}\u{1}\u{85}",
];

async fn text(connection: &mut PgConnection, sql: String) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await
}

#[tokio::test]
async fn literals_mean_the_same_under_either_reading_of_backslashes() -> Result<(), TestError> {
    let database = TestDatabase::from_sql("").await?;
    let mut connection = database.pool().acquire().await?;
    for setting in ["on", "off"] {
        let set = format!("SET standard_conforming_strings = {setting}; SET escape_string_warning = off");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *connection).await?;
        for hostile in HOSTILE {
            let literal = quote::literal(hostile);
            assert!(!literal.contains('\n'), "{literal:?} is more than a line");
            assert_eq!(text(&mut connection, format!("SELECT {literal}")).await?, *hostile, "{literal}");

            let document = json!({ *hostile: [hostile, 1e300, null] });
            let sql = format!("SELECT {}", quote::jsonb(&document));
            let read: serde_json::Value = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
            assert_eq!(read, document);
        }
        let array = format!("SELECT {}", quote::text_array(HOSTILE));
        let read: Vec<String> = sqlx::query_scalar(AssertSqlSafe(array)).fetch_one(&mut *connection).await?;
        assert_eq!(read, HOSTILE);
    }
    Ok(())
}

#[tokio::test]
async fn identifiers_name_what_they_say() -> Result<(), TestError> {
    let database = TestDatabase::from_sql("").await?;
    let mut connection = database.pool().acquire().await?;
    for hostile in HOSTILE.iter().copied().filter(|name| !name.is_empty()).chain(["user", "a\"b", "A", "_x", "1a"]) {
        let name = quote::ident(hostile);
        let row = sqlx::query(AssertSqlSafe(format!("SELECT 1 AS {name}"))).fetch_one(&mut *connection).await?;
        assert_eq!(sqlx::Column::name(row.column(0)), hostile);
    }
    Ok(())
}

/// Bare wherever PostgreSQL itself would write a name without quotes, and where PL/pgSQL has no use for the word.
#[tokio::test]
async fn keywords_of_the_server_are_quoted() -> Result<(), TestError> {
    let database = TestDatabase::from_sql("").await?;
    let words: Vec<String> = sqlx::query_scalar("SELECT word FROM pg_get_keywords() WHERE quote_ident(word) <> word")
        .fetch_all(database.pool())
        .await?;
    assert!(words.len() > 100);
    for word in words {
        assert_eq!(quote::ident(&word), format!("\"{word}\""));
    }
    Ok(())
}

#[tokio::test]
async fn dollar_quotes_hold_any_body() -> Result<(), TestError> {
    let database = TestDatabase::from_sql("").await?;
    let mut connection = database.pool().acquire().await?;
    for hostile in HOSTILE.iter().copied().chain(["$specql$ $specql_1$", "$specql$; DROP TABLE x; $specql", "a$"]) {
        // sqlx would not send it otherwise: a body may hold anything but a trailing newline.
        let sql = format!("SELECT {}", quote::dollar(hostile));
        assert_eq!(text(&mut connection, sql).await?, format!("\n{hostile}\n"));
    }
    Ok(())
}

#[tokio::test]
async fn comments_cannot_be_left() -> Result<(), TestError> {
    let database = TestDatabase::from_sql("").await?;
    let mut connection = database.pool().acquire().await?;
    for hostile in HOSTILE {
        let comment = quote::comment(hostile);
        assert_eq!(text(&mut connection, format!("-- {comment}\nSELECT 'after'")).await?, "after");
        assert_eq!(text(&mut connection, format!("/* {comment} */ SELECT 'after'")).await?, "after");
    }
    Ok(())
}
