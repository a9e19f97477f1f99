//! Locks that others hold, and who else waits meanwhile.

use std::time::{Duration, Instant};

use specql_runtime::database::{Awaited, LockPatience, MigrateError};
use specql_tests::history::{History, shape};
use sqlx::PgPool;

use crate::support::{BUILDING, INDEX, NOTE, execute, migrated, transaction, until};

fn history() -> History {
    History::of_orders().sealed("note", NOTE)
}

pub(crate) const BRIEF: LockPatience = LockPatience {
    lock_timeout: Duration::from_millis(300),
    give_up_after: Duration::from_secs(2),
    concurrently: Duration::from_millis(700),
    other_migrations: Duration::from_secs(60),
};

const WAITING: &str =
    "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'sales.tb_order'::regclass AND NOT granted)";

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reader_holds_the_migration_up_and_no_writer_for_longer_than_the_lock_timeout() {
    let history = history();
    let database = migrated(&history.first(1)).await;
    let pool = database.pool().clone();
    let reader = transaction(&pool, "SELECT FROM sales.tb_order").await;
    let patience = LockPatience { give_up_after: Duration::from_secs(60), ..BRIEF };
    let newer = history.on(&pool);
    let migration = tokio::spawn(async move { newer.migrate_with(patience).await });
    let (mut longest, mut held_up) = (Duration::ZERO, 0);
    while held_up < 3 {
        until(&pool, WAITING).await;
        let begun = Instant::now();
        execute(&pool, "INSERT INTO sales.tb_order (total) VALUES (1)").await;
        longest = longest.max(begun.elapsed());
        held_up += 1;
    }
    assert!(!migration.is_finished());
    reader.rollback().await.unwrap();
    migration.await.unwrap().unwrap();
    assert_eq!(shape(&pool).await, shape(migrated(&history).await.pool()).await);
    // With room for a machine on which everything takes long.
    assert!(longest < patience.lock_timeout * 4, "a writer waited {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_lets_go_is_named() {
    let history = history();
    let database = migrated(&history.first(1)).await;
    let pool = named_pool(&database.url()).await;
    let reader = transaction(&pool, "SELECT FROM sales.tb_order").await;
    let error = history.on(database.pool()).migrate_with(BRIEF).await.unwrap_err();
    let MigrateError::Blocked { version: 2, lock, blockers, waited, .. } = &error else { panic!("{error}") };
    assert_eq!(*lock, Awaited::Table("sales.tb_order".to_owned()));
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert_eq!(blockers[0].application.as_deref(), Some("nightly report"));
    assert_eq!(blockers[0].state.as_deref(), Some("idle in transaction"));
    assert!(blockers[0].since.is_some() && *waited >= BRIEF.give_up_after, "{error:?}");
    let said = error.to_string();
    assert!(said.contains("waited 2 s for a lock on sales.tb_order") && said.contains("`nightly report`"), "{said}");
    reader.rollback().await.unwrap();
}

async fn named_pool(url: &str) -> PgPool {
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    PgPool::connect_with(options.application_name("nightly report")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_cannot_be_built_for_an_old_transaction_is_given_up_without_a_trace() {
    let history = History::of_orders().sealed("total_concurrently", INDEX);
    let database = migrated(&history.first(1)).await;
    let pool = named_pool(&database.url()).await;
    let old = transaction(&pool, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1").await;
    let before = shape(database.pool()).await;
    let error = history.on(database.pool()).migrate_with(BRIEF).await.unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("migration 2 (total concurrently) waited") && said.contains("`nightly report`"), "{said}");
    assert_eq!(shape(database.pool()).await, before);
    old.rollback().await.unwrap();
    history.on(database.pool()).migrate().await.unwrap();
}

/// Limits that a role or a database sets for requests.
#[tokio::test(flavor = "multi_thread")]
async fn the_roles_own_timeouts_do_not_cut_a_migration_off() {
    let slow = "SELECT pg_sleep(0.5); ALTER TABLE sales.tb_order ADD COLUMN note TEXT;";
    let history = History::of_orders().sealed("note", slow);
    let database = migrated(&history.first(1)).await;
    let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let limits =
        [("statement_timeout", "100ms"), ("idle_in_transaction_session_timeout", "100ms"), ("lock_timeout", "1ms")];
    let pool = PgPool::connect_with(options.options(limits)).await.unwrap();
    history.on(&pool).migrate().await.unwrap();
    let timeout: String = sqlx::query_scalar("SHOW statement_timeout").fetch_one(&pool).await.unwrap();
    assert_eq!(timeout, "100ms", "the application's connections have got the migration's limits");
}

/// Two that wait for sqlx's lock in `pg_advisory_lock` would end in a deadlock here: the index waits for their snapshots.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_migrate_at_once_do_not_stand_in_their_indexs_way() {
    let history = History::of_orders().sealed("total_concurrently", INDEX);
    let database = migrated(&history.first(1)).await;
    let pool = database.pool().clone();
    // The index waits for this one first, and then for every snapshot that is there by then.
    let writer = transaction(&pool, "INSERT INTO sales.tb_order (total) VALUES (1)").await;
    let migrate = || {
        let newer = history.on(&pool);
        tokio::spawn(async move { newer.migrate().await })
    };
    let first = migrate();
    until(&pool, BUILDING).await;
    let others = [migrate(), migrate()];
    // Longer than PostgreSQL takes to see a deadlock.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!first.is_finished());
    writer.rollback().await.unwrap();
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(shape(&pool).await, shape(migrated(&history).await.pool()).await);
}
