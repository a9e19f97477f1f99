//! Open steps of several files.

use specql_runtime::database::MigrateError;
use specql_tests::history::{History, shape};
use sqlx::PgPool;

use crate::support::{BUILDING, INDEX, NOTE, execute, migrated, transaction, until};

const VALIDATE: &str = "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT ck_note;";

/// A step of three files, as a build writes it.
fn step() -> History {
    let main = format!("{NOTE} ALTER TABLE sales.tb_order ADD CONSTRAINT ck_note CHECK (note <> '') NOT VALID;");
    let reverse = "DROP INDEX IF EXISTS sales.ix_order_total; ALTER TABLE sales.tb_order DROP CONSTRAINT ck_note; \
                   ALTER TABLE sales.tb_order DROP COLUMN note;";
    History::of_orders().open("note", &main, reverse).open("note_concurrently", INDEX, "").open(
        "note_validate",
        VALIDATE,
        "",
    )
}

/// Another step in its place.
fn other() -> History {
    History::of_orders().open(
        "memo",
        "ALTER TABLE sales.tb_order ADD COLUMN memo TEXT;",
        "ALTER TABLE sales.tb_order DROP COLUMN memo;",
    )
}

async fn recorded(pool: &PgPool) -> Vec<(i64, bool)> {
    sqlx::query_as("SELECT version, reverse_sql <> '' FROM app.tb_open_migration ORDER BY 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn is_applied_in_order_and_undone_as_one() {
    let database = migrated(&step()).await;
    let pool = database.pool();
    assert_eq!(recorded(pool).await, [(2, true), (3, false), (4, false)]);
    other().on(pool).migrate().await.unwrap();
    assert_eq!(recorded(pool).await, [(2, true)]);
    assert_eq!(shape(pool).await, shape(migrated(&other()).await.pool()).await);
    // And back: the model's way there is not the only one.
    step().on(pool).migrate().await.unwrap();
    assert_eq!(shape(pool).await, shape(migrated(&step()).await.pool()).await);
    History::of_orders().on(pool).migrate().await.unwrap();
    assert_eq!(shape(pool).await, shape(migrated(&History::of_orders()).await.pool()).await);
    assert_eq!(recorded(pool).await, []);
}

#[tokio::test]
async fn that_was_not_applied_to_its_end_is_continued_and_undone_too() {
    for applied in [2, 3] {
        let database = migrated(&step().first(applied)).await;
        other().on(database.pool()).migrate().await.unwrap();
        assert_eq!(shape(database.pool()).await, shape(migrated(&other()).await.pool()).await);

        let database = migrated(&step().first(applied)).await;
        step().on(database.pool()).migrate().await.unwrap();
        assert_eq!(shape(database.pool()).await, shape(migrated(&step()).await.pool()).await);
        assert_eq!(recorded(database.pool()).await.len(), 3);
    }
}

/// A newer build may be at work there: an older one, or one of another branch, would take its columns away.
#[tokio::test]
async fn is_not_undone_in_a_database_that_others_may_use_unless_that_is_said() {
    let database = migrated(&step()).await;
    let pool = database.pool();
    execute(pool, "INSERT INTO sales.tb_order (total, note) VALUES (1, 'kept')").await;
    for build in [other(), History::of_orders()] {
        let error = build.on_shared(pool).migrate().await.unwrap_err();
        assert!(matches!(error, MigrateError::WouldUndo { version: 2, .. }), "{error}");
        assert!(error.to_string().contains("SPECQL_UNDO_OPEN=1"), "{error}");
    }
    assert_eq!(recorded(pool).await, [(2, true), (3, false), (4, false)]);
    let kept: Vec<String> = sqlx::query_scalar("SELECT note FROM sales.tb_order").fetch_all(pool).await.unwrap();
    assert_eq!(kept, ["kept"]);
    // A build that has the same form of it, or nothing to undo, works there as anywhere.
    step().on_shared(pool).migrate().await.unwrap();
    other().on_shared(pool).may_undo_open(true).migrate().await.unwrap();
    assert_eq!(shape(pool).await, shape(migrated(&other()).await.pool()).await);
}

/// Its first file is recorded, its index INVALID and not recorded.
#[tokio::test(flavor = "multi_thread")]
async fn that_was_cut_off_in_its_index_is_undone_too() {
    let database = migrated(&step().first(2)).await;
    let pool = database.pool().clone();
    let old = transaction(&pool, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1").await;
    let newer = step().on(&pool);
    let migration = tokio::spawn(async move { newer.migrate().await });
    until(&pool, BUILDING).await;
    execute(
        &pool,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%CREATE INDEX CONCURRENTLY%' AND pid <> pg_backend_pid()",
    )
    .await;
    migration.await.unwrap().unwrap_err();
    old.rollback().await.unwrap();
    assert_eq!(recorded(&pool).await, [(2, true), (3, false)]);
    other().on(&pool).migrate().await.unwrap();
    assert_eq!(shape(&pool).await, shape(migrated(&other()).await.pool()).await);
    assert_eq!(recorded(&pool).await, [(2, true)]);
}

#[tokio::test]
async fn whose_undoing_fails_stays_as_it_is() {
    let database = migrated(&step()).await;
    let pool = database.pool();
    execute(pool, "CREATE VIEW sales.v_mine AS SELECT note FROM sales.tb_order").await;
    let before = shape(pool).await;
    let error = other().on(pool).migrate().await.unwrap_err();
    assert!(matches!(error, MigrateError::Reverse { version: 2, .. }), "{error}");
    assert_eq!(shape(pool).await, before);
    assert_eq!(recorded(pool).await.len(), 3);
}

#[tokio::test]
async fn that_was_sealed_merely_stops_being_open_be_it_under_another_name() {
    let database = migrated(&step()).await;
    let pool = database.pool();
    let before = shape(pool).await;
    step().seal().on(pool).migrate().await.unwrap();
    assert_eq!(recorded(pool).await, []);
    assert_eq!(shape(pool).await, before);
}

/// `sqlx migrate run` does not know which migrations are open.
#[tokio::test]
async fn that_another_tool_has_applied_is_recorded_while_it_is_unchanged_and_explained_when_it_is_not() {
    let database = migrated(&step().seal()).await;
    let pool = database.pool();
    assert_eq!(recorded(pool).await, []);
    let error = other().on(pool).migrate().await.unwrap_err().to_string();
    let said = "the database has another migration 2 than this binary: `note`, and not `memo`; it was migrated from another branch of the \
                project, or by another tool than `db.migrate()` before this open migration changed";
    assert!(error.starts_with(said), "{error}");

    step().on(pool).migrate().await.unwrap();
    assert_eq!(recorded(pool).await, [(2, true), (3, false), (4, false)]);
    other().on(pool).migrate().await.unwrap();
    assert_eq!(shape(pool).await, shape(migrated(&other()).await.pool()).await);
}
