//! Steps that somebody writes by hand, among those that builds write.

use specql_compiler::SourceFile;
use specql_runtime::{database::MigrateError, testing::TestDatabase};
use specql_tests::{
    history::{History, shape},
    logged,
    migrations::{Folder, file},
};
use sqlx::PgPool;

use crate::{
    sqlx_cli::{fails, succeeds},
    support::{execute, migrated},
};

const TOTALS: &str = "\
-- What orders come to.
CREATE TABLE sales.totals (day date PRIMARY KEY, total bigint NOT NULL);
CREATE FUNCTION sales.count_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sales.totals VALUES (current_date, NEW.total) ON CONFLICT (day) DO UPDATE SET total = totals.total + excluded.total;
    RETURN NULL;
END $$;
CREATE TRIGGER count_order AFTER INSERT ON sales.tb_order FOR EACH ROW EXECUTE FUNCTION sales.count_order();
";

const INDEX: &str = "-- no-transaction\nCREATE INDEX CONCURRENTLY orders_by_total ON sales.tb_order (total DESC)\n";

fn order(fields: &str) -> [SourceFile; 1] {
    [file("entities/order.yaml", format!("entity: Order\nschema: sales\nfields:\n{fields}"))]
}

/// A project whose history has steps of both kinds, its folder, and the schema that it asks for.
fn project() -> (Folder, [SourceFile; 1], specql_compiler::internals::sql::Schema) {
    let mut folder = Folder::default();
    let (first, second) = (order("  total: integer!\n"), order("  total: integer!\n  note: text\n"));
    folder.by_hand(&first, "before_all", "CREATE SCHEMA reports;\n").unwrap();
    let built = folder.build(&first).unwrap();
    folder.seal(&first, &built.schema).unwrap();
    folder.by_hand(&first, "totals", TOTALS).unwrap();
    let built = folder.build(&second).unwrap();
    folder.seal(&second, &built.schema).unwrap();
    folder.by_hand(&second, "orders_by_total", INDEX).unwrap();
    folder.by_hand(&second, "view", "CREATE VIEW reports.notes AS SELECT note FROM sales.tb_order;\n").unwrap();
    (folder, second, built.schema)
}

fn history() -> History {
    let (folder, project, schema) = project();
    History::with_versions(&folder.migrations(&project, &schema))
}

async fn total(pool: &PgPool) -> i64 {
    execute(pool, "INSERT INTO sales.tb_order (total, note) VALUES (3, 'three'), (4, 'four')").await;
    sqlx::query_scalar("SELECT t.total + count(n.*) FROM sales.totals AS t, reports.notes AS n GROUP BY t.total")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn both_tools_apply_them_as_any_other() {
    let history = history();
    let ours = migrated(&history).await;
    assert_eq!(total(ours.pool()).await, 9);
    let complete = shape(ours.pool()).await;
    assert!(complete.iter().any(|line| line.contains("orders_by_total")), "{complete:?}");
    let names = history.names();
    assert_eq!(names[0], "before all");
    let theirs = TestDatabase::from_sql("").await.unwrap();
    succeeds("run", &history, &theirs);
    assert_eq!(total(theirs.pool()).await, 9);
    assert_eq!(shape(theirs.pool()).await, complete);
    history.on(theirs.pool()).migrate().await.unwrap();
    assert_eq!(succeeds("run", &history, &ours), "");
    for done in 1..names.len() {
        let database = TestDatabase::from_sql("").await.unwrap();
        succeeds("run", &history.first(done), &database);
        history.on(database.pool()).migrate().await.unwrap();
        assert_eq!(shape(database.pool()).await, complete);
    }
}

#[tokio::test]
async fn an_open_one_is_applied_once_it_is_sealed_and_not_before() {
    logged::keep();
    let begun = History::of_orders().open_by_hand("totals", TOTALS);
    let database = TestDatabase::from_sql("").await.unwrap();
    begun.on(database.pool()).migrate().await.unwrap();
    let logged = logged::take();
    assert!(logged.contains("cargo specql migrate seal") && logged.contains("description=\"totals\""), "{logged}");
    let before = shape(database.pool()).await;
    assert_eq!(before, shape(migrated(&History::of_orders()).await.pool()).await);
    // It may be written anew as often as one likes.
    let again = History::of_orders().open_by_hand("other", "CREATE TABLE sales.other ();");
    again.on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, before);
    begun.clone().seal().on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, shape(migrated(&begun.seal()).await.pool()).await);
}

/// sqlx-cli knows of no seal.
#[tokio::test]
async fn an_open_one_that_sqlx_cli_has_applied_is_there_and_explained_when_it_was_changed() {
    let begun = History::of_orders().open_by_hand("totals", TOTALS);
    let database = migrated(&History::of_orders()).await;
    succeeds("run", &begun, &database);
    begun.on(database.pool()).migrate().await.unwrap();
    let recorded: i64 =
        sqlx::query_scalar("SELECT count(*) FROM app.tb_open_migration").fetch_one(database.pool()).await.unwrap();
    assert_eq!(recorded, 0, "nothing undoes it");
    let changed = History::of_orders().open_by_hand("totals", &TOTALS.replace("bigint", "numeric"));
    let error = changed.on(database.pool()).migrate().await.unwrap_err();
    assert!(matches!(error, MigrateError::ChangedOpen { version: 2, .. }), "{error}");
    begun.seal().on(database.pool()).migrate().await.unwrap();
}

#[tokio::test]
async fn one_that_fails_is_undone_and_told() {
    let broken = History::of_orders().sealed("totals", &format!("{TOTALS}SELECT 1 / 0;"));
    let database = TestDatabase::from_sql("").await.unwrap();
    let error = broken.on(database.pool()).migrate().await.unwrap_err().to_string();
    assert_eq!(error, "migration 2 (totals) failed and was undone: division by zero (SQLSTATE 22012)");
    History::of_orders().sealed("totals", TOTALS).on(database.pool()).migrate().await.unwrap();
    fails("run", &broken, &database);
}

#[tokio::test]
async fn a_squash_leaves_them_behind_the_baseline_and_no_database_runs_them_twice() {
    let (mut folder, project, schema) = project();
    let before = History::with_versions(&folder.migrations(&project, &schema));
    folder.squash(&project, &schema).unwrap();
    let squashed = History::with_versions(&folder.migrations(&project, &schema));
    assert_eq!(squashed.names(), ["before all", "baseline", "totals", "orders by total", "view"]);
    assert_eq!(squashed.last().version, before.last().version);

    let database = migrated(&before).await;
    assert_eq!(total(database.pool()).await, 9);
    squashed.on(database.pool()).migrate().await.unwrap();
    let fresh = migrated(&squashed).await;
    assert_eq!(total(fresh.pool()).await, 9);
    assert_eq!(shape(database.pool()).await, shape(fresh.pool()).await);
    // A binary from before runs on both, and so does one that goes on.
    let more = squashed.clone().sealed("more", "ALTER TABLE sales.totals ADD COLUMN more TEXT;");
    for database in [&database, &fresh] {
        for version in [&before, &squashed, &more, &before] {
            version.on(database.pool()).migrate().await.unwrap();
        }
    }
    assert_eq!(shape(database.pool()).await, shape(fresh.pool()).await);

    // A fresh one that was interrupted in the middle goes on, and an old one that has only some of what got another number is refused.
    for done in 1..5 {
        let interrupted = migrated(&squashed.first(done)).await;
        squashed.on(interrupted.pool()).migrate().await.unwrap();
    }
    for done in 1..before.names().len() {
        let old = migrated(&before.first(done)).await;
        let result = squashed.on(old.pool()).migrate().await;
        let refused = matches!(result, Err(MigrateError::PartlyReplaced { .. }));
        assert_eq!(refused, done < 5, "{done}: {result:?}");
        before.on(old.pool()).migrate().await.unwrap();
        squashed.on(old.pool()).migrate().await.unwrap();
    }
}
