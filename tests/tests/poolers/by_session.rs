//! `pool_mode = session`: a client has a session for as long as it is connected.

use specql_runtime::testing::TestDatabase;
use specql_tests::{
    pooler::Pooler,
    work::{Queue, Standing},
};

use crate::support::{LOCKS, VERSIONS, count, database};

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_works_and_gives_its_lock_back() {
    for version in VERSIONS {
        let test = TestDatabase::from_sql("").await.unwrap();
        // Which leaves locks on a session whose client has gone.
        let pooler = Pooler::start(version, &test.url(), "session", &[("server_reset_query", "DEALLOCATE ALL")]);
        let pooled = database(&pooler.url()).await;
        pooled.migrate().await.unwrap();
        assert_eq!(count(test.pool(), LOCKS).await, 0, "{version:?}: the lock stays with the pooler");
        assert_eq!(count(test.pool(), "SELECT count(*) FROM jobs.tb_operation").await, 5);
        pooled.migrate().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_its_work() {
    for version in VERSIONS {
        let queue = Queue::new().await;
        let pooler = Pooler::start(version, queue.url(), "session", &[]);
        let worker = queue.worker_through(&pooler.url()).await.start().await.unwrap();
        queue.run_many(50, "now").await;
        let Standing { completed, .. } = queue.at_rest().await;
        assert_eq!(completed, 50, "{version:?}");
        worker.shutdown().await.unwrap();
    }
}

/// No second session is to be had while the first one is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_with_room_for_one_session_is_no_pool_of_transactions() {
    for version in VERSIONS {
        let test = TestDatabase::from_sql("").await.unwrap();
        let pooler = Pooler::start(version, &test.url(), "session", &[("default_pool_size", "1")]);
        database(&pooler.url()).await.migrate().await.unwrap();
        assert_eq!(count(test.pool(), LOCKS).await, 0, "{version:?}");
    }
}
