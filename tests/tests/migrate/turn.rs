//! The lock of migrations, which somebody else has.

use std::time::Duration;

use specql_runtime::{
    database::{LockPatience, MigrateError},
    testing::TestDatabase,
};
use specql_tests::{history::History, logged};
use sqlx::{ConnectOptions as _, PgConnection, migrate::Migrate as _, postgres::PgConnectOptions};

use crate::support::migrated;

const BRIEF: LockPatience = LockPatience {
    lock_timeout: Duration::from_millis(300),
    give_up_after: Duration::from_secs(2),
    concurrently: Duration::from_millis(700),
    other_migrations: Duration::from_secs(7),
};

/// A session that has the lock.
async fn holder(database: &TestDatabase) -> PgConnection {
    let options: PgConnectOptions = database.url().parse().unwrap();
    let mut holder = options.application_name("yesterday's deploy").connect().await.unwrap();
    holder.lock().await.unwrap();
    holder
}

async fn pid(connection: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_session_that_only_keeps_the_lock_is_named_with_the_way_to_end_it() {
    let history = History::of_orders();
    let database = migrated(&history).await;
    let mut forgotten = holder(&database).await;
    let pid = pid(&mut forgotten).await;
    let newer = history.sealed("note", crate::support::NOTE);
    let error = newer.on(database.pool()).migrate_with(BRIEF).await.unwrap_err();
    let MigrateError::HeldUp { holder: Some(holder), waited } = &error else { panic!("{error}") };
    assert_eq!((holder.pid, holder.application.as_deref()), (pid, Some("yesterday's deploy")));
    assert!(*waited >= BRIEF.give_up_after && *waited < BRIEF.other_migrations, "{waited:?}");
    let said = error.to_string();
    assert!(said.contains(&format!("it is held by process {pid} (`yesterday's deploy`, role `")), "{said}");
    assert!(said.contains(&format!("end it by `SELECT pg_terminate_backend({pid})`, and migrate again")), "{said}");

    // Which works.
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(database.pool()).await.unwrap();
    newer.on(database.pool()).migrate_with(BRIEF).await.unwrap();
}

#[tokio::test]
async fn a_migration_at_work_is_waited_for_longer_and_the_log_warns_of_it() {
    logged::keep();
    let history = History::of_orders();
    let database = migrated(&history).await;
    let mut busy = holder(&database).await;
    sqlx::raw_sql("BEGIN").execute(&mut busy).await.unwrap();
    let error = history.on(database.pool()).migrate_with(BRIEF).await.unwrap_err();
    let MigrateError::HeldUp { waited, .. } = &error else { panic!("{error}") };
    assert!(*waited >= BRIEF.other_migrations, "{waited:?}");
    let said = error.to_string();
    assert!(said.contains("`yesterday's deploy`") && said.contains("idle in transaction"), "{said}");
    assert!(said.ends_with("; wait for the end of its migration, and migrate again"), "{said}");

    let logged = logged::take();
    let warned = logged.lines().find(|line| line.contains("WARN")).unwrap_or_else(|| panic!("no warning: {logged}"));
    assert!(warned.contains("its lock is held by process") && warned.contains("`yesterday's deploy`"), "{warned}");

    // And it goes on once it may.
    sqlx::raw_sql("COMMIT; SELECT pg_advisory_unlock_all()").execute(&mut busy).await.unwrap();
    history.on(database.pool()).migrate_with(BRIEF).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_leaves_no_lock() {
    let history = History::of_orders();
    let database = migrated(&history).await;
    let newer = history.sealed("wrong", "SELECT 1/0;");
    newer.on(database.pool()).migrate().await.unwrap_err();
    crate::support::until(
        database.pool(),
        "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
    )
    .await;
}
