//! Binaries that are older than the database.

use specql_runtime::{Worker, database::MigrateError, worker::StartError};
use specql_tests::history::{History, shape};

use crate::support::{NOTE, execute, migrated};

/// The second migration breaks with the first; the third is new and breaks nothing.
fn history() -> History {
    let breaking =
        format!("{NOTE} INSERT INTO app.tb_breaking_migration VALUES (2, 'column sales.tb_order.memo is gone');");
    History::of_orders().sealed("note", &breaking).sealed("later", "ALTER TABLE sales.tb_order ADD COLUMN later TEXT;")
}

const SENTENCE: &str = "this binary ends with migration 1, and the database has migration 2, which took away what older \
    binaries need: column sales.tb_order.memo is gone; deploy a version of the project that has migration 2";

#[tokio::test]
async fn run_beside_what_does_not_concern_them_and_change_nothing() {
    let history = history();
    let database = migrated(&history).await;
    let before = shape(database.pool()).await;
    history.first(2).on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, before);
}

#[tokio::test]
async fn refuse_where_what_they_need_was_taken_away() {
    let database = migrated(&history()).await;
    let before = shape(database.pool()).await;
    let error = history().first(1).on(database.pool()).migrate().await.unwrap_err();
    assert!(matches!(error, MigrateError::Incompatible(_)), "{error:?}");
    assert_eq!(error.to_string(), SENTENCE);
    assert_eq!(shape(database.pool()).await, before);
}

#[tokio::test]
async fn with_another_history_are_told_so() {
    let history = history();
    let database = migrated(&history).await;
    execute(database.pool(), "DELETE FROM app.tb_breaking_migration").await;
    let other = History::of_orders().sealed("memo", "ALTER TABLE sales.tb_order ADD COLUMN memo TEXT;");
    let error = other.on(database.pool()).migrate().await.unwrap_err();
    let MigrateError::OtherBranch { version: 2, description, theirs, open: false } = &error else { panic!("{error}") };
    assert_eq!((description.as_str(), theirs.as_str()), ("memo", "note"));
    let said = error.to_string();
    assert!(said.contains("`memo`") && said.contains("`note`") && !said.contains("fresh"), "{said}");

    execute(database.pool(), "DELETE FROM _sqlx_migrations WHERE version = 2").await;
    let error = history.on(database.pool()).migrate().await.unwrap_err();
    assert!(matches!(error, MigrateError::Gap { version: 2, later: 3, .. }), "{error}");
    let error = history.first(2).on(database.pool()).migrate().await.unwrap_err();
    assert!(matches!(error, MigrateError::Gap { version: 2, later: 3, .. }), "{error}");
}

/// A worker does not migrate: it asks when it starts.
#[tokio::test(flavor = "multi_thread")]
async fn start_no_worker_where_what_they_need_was_taken_away() {
    let queue = specql_tests::work::Queue::new().await;
    let newest = specql_tests::work::PROJECT.migrations.iter().map(|migration| migration.version).max().unwrap();
    let (first, second) = (newest, newest + 1);
    for (version, runs) in [(first, true), (second, false)] {
        sqlx::query("INSERT INTO app.tb_breaking_migration VALUES ($1, 'a column is gone')")
            .bind(version)
            .execute(queue.pool())
            .await
            .unwrap();
        match queue.worker().start().await {
            Ok(worker) => {
                assert!(runs);
                worker.shutdown().await.unwrap();
            }
            Err(error) => {
                assert!(!runs && matches!(error, StartError::Incompatible(_)), "{error}");
                assert!(
                    error
                        .to_string()
                        .ends_with(&format!("deploy a version of the project that has migration {second}"))
                );
            }
        }
    }
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_worker").await, 0);
}

/// Where nothing has been migrated by a version that knows of such migrations.
#[tokio::test(flavor = "multi_thread")]
async fn start_a_worker_on_a_database_from_before_the_question() {
    let queue = specql_tests::work::Queue::new().await;
    queue.execute("DROP FUNCTION jobs.breaking_migration()").await;
    let worker: Worker = queue.worker().start().await.unwrap();
    worker.shutdown().await.unwrap();
}
