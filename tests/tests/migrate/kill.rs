//! `kill -9` of a process that migrates, at any point: the next `db.migrate()` ends where an undisturbed one does.

use specql_runtime::{database::MigrateError, testing::TestDatabase};
use specql_tests::{
    history::{History, shape},
    server::OwnServer,
};
use sqlx::PgPool;

use crate::support::{BUILDING, INDEX, NOTE, execute, migrated, migrator, transaction, until};

fn history() -> History {
    History::of_orders()
        .sealed("note", NOTE)
        .sealed("note_concurrently", INDEX)
        .sealed("later", "ALTER TABLE sales.tb_order ADD COLUMN later TEXT;")
}

/// Kills a migrator at the point where `question` is answered by true, which `hold` makes it wait at, and lets another end its work.
async fn killed_while(hold: &'static str, question: &'static str, expected: &str) {
    let history = history();
    let undisturbed = migrated(&history).await;
    let database = migrated(&history.first(1)).await;
    execute(database.pool(), "INSERT INTO sales.tb_order (total) VALUES (1), (2)").await;
    let held = transaction(database.pool(), hold).await;
    let (mut process, _folder) = migrator(&history, &database);
    until(database.pool(), question).await;
    process.kill();
    until(database.pool(), SESSION_ENDED).await;
    held.rollback().await.unwrap();
    assert_eq!(standing(&database).await, expected);

    history.on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, shape(undisturbed.pool()).await);
    until(database.pool(), SESSION_ENDED).await;
}

/// What a killed run has left: which migrations are recorded, and how the index is.
async fn standing(database: &TestDatabase) -> String {
    sqlx::query_scalar(
        "SELECT (SELECT string_agg(version::text, ' ' ORDER BY version) FROM _sqlx_migrations) || ', index '
             || coalesce((SELECT CASE WHEN indisvalid THEN 'whole' ELSE 'INVALID' END FROM pg_index
                 WHERE indexrelid = to_regclass('sales.ix_order_total')), 'none')",
    )
    .fetch_one(database.pool())
    .await
    .unwrap()
}

/// The server notices within a second that a migrator is gone, though it waits.
const SESSION_ENDED: &str = "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// What an index must wait for: it does not hold what this one may still want to see.
const OLD_SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1";

const WAITS_FOR_ORDERS: &str =
    "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'sales.tb_order'::regclass AND NOT granted)";

const MIGRATES: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

#[tokio::test(flavor = "multi_thread")]
async fn before_it_does_anything() {
    killed_while("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE", MIGRATES, "1, index none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_migrations_transaction() {
    killed_while("SELECT FROM sales.tb_order", WAITS_FOR_ORDERS, "1, index none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_a_migrations_statements_and_its_record() {
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = '_sqlx_migrations'::regclass AND NOT granted)";
    killed_while("LOCK TABLE _sqlx_migrations IN SHARE MODE", waits, "1, index none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_create_index_concurrently() {
    killed_while(OLD_SNAPSHOT, BUILDING, "1 2, index INVALID").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_an_index_and_its_record() {
    let history = history();
    let undisturbed = migrated(&history).await;
    let database = migrated(&history.first(2)).await;
    let held = transaction(database.pool(), "LOCK TABLE _sqlx_migrations IN SHARE MODE").await;
    let (mut process, _folder) = migrator(&history, &database);
    until(
        database.pool(),
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = '_sqlx_migrations'::regclass AND NOT granted)",
    )
    .await;
    process.kill();
    until(database.pool(), SESSION_ENDED).await;
    held.rollback().await.unwrap();
    assert_eq!(standing(&database).await, "1 2, index whole");
    let built: i64 = oid(database.pool()).await;

    history.on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, shape(undisturbed.pool()).await);
    assert_eq!(oid(database.pool()).await, built, "a whole index was built again");
}

async fn oid(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT 'sales.ix_order_total'::regclass::oid::bigint").fetch_one(pool).await.unwrap()
}

/// A dirty row is sqlx's older way to say that a migration did not come to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_dirty_row_of_an_index_is_mended_and_another_one_explained() {
    let history = history();
    let database = migrated(&history).await;
    let complete = shape(database.pool()).await;
    execute(database.pool(), "DROP INDEX sales.ix_order_total; UPDATE _sqlx_migrations SET success = FALSE WHERE version = 3; DELETE FROM _sqlx_migrations WHERE version = 4; ALTER TABLE sales.tb_order DROP COLUMN later").await;
    history.on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, complete);

    execute(database.pool(), "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 4").await;
    let error = history.on(database.pool()).migrate().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "migration 4 was interrupted half way; look at what it left, mend that by hand, and delete its row in `public._sqlx_migrations`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_rows_refuse_leaves_nothing_and_is_built_once_they_do_not() {
    let unique = INDEX.replace("CREATE INDEX", "CREATE UNIQUE INDEX");
    let history = History::of_orders().sealed("total_concurrently", &unique);
    let database = migrated(&history.first(1)).await;
    execute(database.pool(), "INSERT INTO sales.tb_order (total) VALUES (1), (1)").await;
    let error = history.on(database.pool()).migrate().await.unwrap_err().to_string();
    assert!(error.starts_with("migration 2 (total concurrently) failed and was undone"), "{error}");
    assert_eq!(standing(&database).await, "1, index none");
    execute(database.pool(), "DELETE FROM sales.tb_order").await;
    history.on(database.pool()).migrate().await.unwrap();
    assert_eq!(standing(&database).await, "1 2, index whole");
}

/// The session dies, not the process: an operator ended it, or a proxy did.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_is_reported_and_the_next_call_goes_on() {
    let history = history();
    let undisturbed = migrated(&history).await;
    for (hold, question) in [("SELECT FROM sales.tb_order", WAITS_FOR_ORDERS), (OLD_SNAPSHOT, BUILDING)] {
        let database = migrated(&history.first(1)).await;
        let pool = database.pool().clone();
        let held = transaction(&pool, hold).await;
        let newer = history.on(&pool);
        let migration = tokio::spawn(async move { newer.migrate().await });
        until(&pool, question).await;
        execute(
            &pool,
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .await;
        let error = migration.await.unwrap().unwrap_err();
        assert!(matches!(error, MigrateError::CutOff { .. }), "{error:?}");
        assert!(error.to_string().ends_with("`db.migrate()` goes on from there when it is called again"), "{error}");
        held.rollback().await.unwrap();
        history.on(&pool).migrate().await.unwrap();
        assert_eq!(shape(&pool).await, shape(undisturbed.pool()).await);
    }
}

/// The whole server dies in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_server_inside_create_index_concurrently_is_mended_after_its_restart() {
    let history = history();
    let undisturbed = migrated(&history).await;
    let mut server = OwnServer::start().await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    history.first(2).on(&pool).migrate().await.unwrap();
    let held = transaction(&pool, OLD_SNAPSHOT).await;
    let newer = history.on(&pool);
    let migration = tokio::spawn(async move { newer.migrate().await });
    until(&pool, BUILDING).await;
    server.kill().await;
    let error = migration.await.unwrap().unwrap_err();
    assert!(matches!(error, MigrateError::CutOff { version: 3, .. }), "{error:?}");
    drop(held);
    server.start_again().await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let invalid = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = 'sales.ix_order_total'::regclass";
    assert!(sqlx::query_scalar::<_, bool>(invalid).fetch_one(&pool).await.unwrap());
    history.on(&pool).migrate().await.unwrap();
    assert_eq!(shape(&pool).await, shape(undisturbed.pool()).await);
}
