//! `pool_mode = transaction`: no session is one's own.

use std::collections::HashSet;

use specql_runtime::testing::TestDatabase;
use specql_tests::{pooler::Pooler, process::eventually, work::Queue};
use sqlx::PgConnection;

use crate::support::{LOCKS, VERSIONS, connection, count, database, pool};

const MIGRATE: &str = "a connection pooler between this process and PostgreSQL gives it another session for each transaction, as \
    PgBouncer does with `pool_mode = transaction`, and a migration has its lock and its settings in one session: connect it to \
    PostgreSQL directly, or through a pool with `pool_mode = session`";

const WORKER: &str = "a connection pooler between this process and PostgreSQL gives it another session for each transaction, as \
    PgBouncer does with `pool_mode = transaction`, and a worker has its place in the queue, its limits and its LISTEN in its \
    sessions: connect it to PostgreSQL directly, or through a pool with `pool_mode = session`";

/// Which of its sessions it takes next: the one that was used last, or the one that was not used for longest.
const ORDERS: [&[(&str, &str)]; 2] = [&[], &[("server_round_robin", "1")]];

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_refused_before_it_has_done_or_locked_anything() {
    for version in VERSIONS {
        for settings in ORDERS {
            let test = TestDatabase::from_sql("").await.unwrap();
            let pooler = Pooler::start(version, &test.url(), "transaction", settings);
            let pooled = database(&pooler.url()).await;
            for _ in 0..2 {
                let refused = pooled.migrate().await.unwrap_err();
                assert_eq!(refused.to_string(), MIGRATE, "{version:?} {settings:?}");
            }
            assert_eq!(count(test.pool(), LOCKS).await, 0, "{version:?} {settings:?}: a lock is left");
            let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
            assert_eq!(count(test.pool(), made).await, 0, "{version:?} {settings:?}: something was made");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_refused_before_anybody_hears_of_it() {
    let queue = Queue::new().await;
    for version in VERSIONS {
        for settings in ORDERS {
            let pooler = Pooler::start(version, queue.url(), "transaction", settings);
            let refused = queue.worker_through(&pooler.url()).await.start().await.unwrap_err();
            assert_eq!(refused.to_string(), WORKER, "{version:?} {settings:?}");
        }
    }
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_worker").await, 0);
}

/// Sessions that are there already are given out by turns, or the same one again.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_seen_however_many_sessions_lie_idle_in_the_pool() {
    for version in VERSIONS {
        for order in ["0", "1"] {
            let test = TestDatabase::from_sql("").await.unwrap();
            let pooler = Pooler::start(version, &test.url(), "transaction", &[("server_round_robin", order)]);
            let pooled = database(&pooler.url()).await;
            for idle in 1..=7 {
                let clients = pool(&pooler.url(), idle).await;
                let mut transactions = Vec::new();
                for _ in 0..idle {
                    let mut transaction = clients.begin().await.unwrap();
                    session(&mut transaction).await;
                    transactions.push(transaction);
                }
                drop(transactions);
                clients.close().await;
                let refused = pooled.migrate().await.unwrap_err().to_string();
                assert_eq!(refused, MIGRATE, "{version:?} {order}: {idle} idle sessions");
            }
        }
    }
}

/// Two connections may be with two of them, and each then has the same session again and again.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_seen_where_several_processes_share_a_port() {
    for version in VERSIONS {
        let test = TestDatabase::from_sql("").await.unwrap();
        let pooler = Pooler::with_processes(4, version, &test.url(), "transaction", &[]);
        eventually("all four have a session", async || {
            let mut sessions = HashSet::new();
            for _ in 0..40 {
                let mut client: PgConnection = connection(&pooler.url()).await;
                sessions.insert(session(&mut client).await);
            }
            sessions.len() == 4
        })
        .await;
        let pooled = database(&pooler.url()).await;
        for _ in 0..10 {
            assert_eq!(pooled.migrate().await.unwrap_err().to_string(), MIGRATE, "{version:?}");
        }
    }
}

async fn session(connection: &mut PgConnection) -> i32 {
    let row = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await.unwrap();
    sqlx::Row::get(&row, 0)
}

/// The sessions go from hand to hand meanwhile, and there are fewer than clients.
#[tokio::test(flavor = "multi_thread")]
async fn others_at_work_in_the_same_pool_hide_nothing() {
    for version in VERSIONS {
        for order in ["0", "1"] {
            let test = TestDatabase::from_sql("").await.unwrap();
            let settings = [("server_round_robin", order), ("default_pool_size", "5")];
            let pooler = Pooler::start(version, &test.url(), "transaction", &settings);
            let others: Vec<_> = (0..8).map(|_| tokio::spawn(others_work(pooler.url()))).collect();
            let pooled = database(&pooler.url()).await;
            for _ in 0..10 {
                assert_eq!(pooled.migrate().await.unwrap_err().to_string(), MIGRATE, "{version:?}");
            }
            assert_eq!(count(test.pool(), LOCKS).await, 0);
            for other in others {
                other.abort();
                assert!(other.await.unwrap_err().is_cancelled());
            }
        }
    }
}

/// One query after another, of different lengths.
async fn others_work(url: String) {
    let mut connection = connection(&url).await;
    for round in 0_u64.. {
        let work = if round % 3 == 0 { "SELECT pg_sleep(0.003)" } else { "SELECT 1" };
        sqlx::raw_sql(work).execute(&mut connection).await.unwrap();
    }
}
