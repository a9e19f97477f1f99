//! Rows that do not fit what was allowed: the step stops before it has promised anything, and nothing is lost.

use anyhow::Result;
use specql_compiler::SourceFile;
use specql_tests::migrations::{Build, Folder, apply, file, undo};
use sqlx::PgConnection;

use crate::{catalog, database::Database};

fn project(fields: &str) -> [SourceFile; 1] {
    [file("entities/order.yaml", format!("entity: Order\nschema: sales\nfields: {{{fields}}}\n"))]
}

/// A database with two orders, and the step to these fields, all of which is allowed.
async fn orders(before: &str, values: &str, after: &str) -> Result<(Database, Build, Build)> {
    let mut folder = Folder::default();
    let first = folder.build(&project(before))?;
    folder.seal(&project(before), &first.schema)?;
    let second = folder.build(&project(after))?;
    let mut database = Database::empty().await?;
    apply(&mut database.connection, &first.step).await?;
    let insert =
        format!("INSERT INTO sales.tb_order ({}) VALUES {values}", before.split(':').next().unwrap_or_default());
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut *database.connection).await?;
    Ok((database, first, second))
}

async fn notes(connection: &mut PgConnection) -> Result<Vec<Option<String>>> {
    Ok(sqlx::query_scalar("SELECT note FROM sales.tb_order ORDER BY pk_order").fetch_all(connection).await?)
}

#[tokio::test]
async fn a_required_column_stops_at_rows_without_a_value_and_goes_on_when_they_have_one() -> Result<()> {
    let (mut database, _, second) = orders("total: integer", "(1), (2)", "total: integer, note: text!").await?;
    let connection = &mut *database.connection;
    let empty = catalog::read(connection).await?;
    let error = apply(connection, &second.step).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("holds rows, and note is new and required; nothing was changed"),
        "{error:#}"
    );
    assert_eq!(catalog::read(connection).await?.differences(&empty), "");

    // Rows that come after the check are found by the validation.
    let step = &second.step[1..];
    let validation = step.iter().position(|file| file.description.ends_with("validate")).unwrap();
    let (before, rest) = step.split_at(validation);
    apply(connection, before).await?;
    let error = apply(connection, &rest[..1]).await.unwrap_err();
    let said = format!("{error:#}");
    assert!(said.contains("note") && said.contains("is violated by some row"), "{said}");
    assert_eq!(notes(connection).await?, [None, None]);

    sqlx::query("UPDATE sales.tb_order SET note = 'x'").execute(&mut *connection).await?;
    apply(connection, rest).await?;
    let fresh = Database::of(&second.schema).await?;
    assert_eq!(catalog::read(connection).await?.differences(&fresh.catalog), "");
    Ok(())
}

#[tokio::test]
async fn a_step_that_stopped_is_undone_and_keeps_its_rows() -> Result<()> {
    let (mut database, first, second) =
        orders("note: text", "('a'), (NULL)", "note: {type: text!, unique: true}").await?;
    let connection = &mut *database.connection;
    let error = apply(connection, &second.step).await.unwrap_err();
    assert!(format!("{error:#}").contains("have no note, which becomes required; nothing was changed"), "{error:#}");
    let error = apply(connection, &second.step[1..]).await.unwrap_err();
    assert!(format!("{error:#}").contains("is violated by some row"), "{error:#}");
    undo(connection, &second.step).await?;
    let fresh = Database::of(&first.schema).await?;
    assert_eq!(catalog::read(connection).await?.differences(&fresh.catalog), "");
    assert_eq!(notes(connection).await?, [Some("a".to_owned()), None]);
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_none_of_the_new_type_leaves_all_as_it_was() -> Result<()> {
    let (mut database, first, second) = orders("note: text", "('12'), ('twelve')", "note: integer").await?;
    let connection = &mut *database.connection;
    let error = apply(connection, &second.step).await.unwrap_err();
    assert!(format!("{error:#}").contains("twelve"), "{error:#}");
    let fresh = Database::of(&first.schema).await?;
    assert_eq!(catalog::read(connection).await?.differences(&fresh.catalog), "");
    assert_eq!(notes(connection).await?, [Some("12".to_owned()), Some("twelve".to_owned())]);
    Ok(())
}
