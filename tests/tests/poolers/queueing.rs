//! An application that only queues, behind a pool of transactions; its worker is connected directly.

use std::time::Duration;

use specql_runtime::Database;
use specql_tests::{
    pooler::{Pooler, Version},
    work::{
        PROJECT, Queue,
        actions::task::{self, RunTask},
        services::work::Run,
    },
};

use sqlx::{PgPool, postgres::PgConnectOptions};

use crate::support::database;

#[tokio::test(flavor = "multi_thread")]
async fn typed_calls_work_where_the_pooler_keeps_track_of_prepared_statements() {
    let queue = Queue::new().await;
    let worker = queue.worker().start().await.unwrap();
    for settings in
        [&[("max_prepared_statements", "10")][..], &[("max_prepared_statements", "10"), ("server_round_robin", "1")]]
    {
        let pooler = Pooler::start(Version::Newer, queue.url(), "transaction", settings);
        let pooled = database(&pooler.url()).await;
        let clients = (0..8).map(|_| {
            let pooled = pooled.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    task::run_task(RunTask::builder().how("now").build()).send(&pooled).await.unwrap();
                    let mut transaction = pooled.begin().await.unwrap();
                    task::run_task(RunTask::builder().how("now").build()).send(&mut transaction).await.unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.unwrap();
        }
        // Whoever waits hears nothing through such a pool, and looks for himself.
        let job =
            task::run_task(RunTask::builder().how("now").build()).send(&pooled).await.unwrap().job::<Run>().unwrap();
        tokio::time::timeout(Duration::from_secs(10), job.outcome(&pooled)).await.unwrap().unwrap();
    }
    assert_eq!(queue.at_rest().await.completed, 322);
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_mixed_up_statements_says_what_would_be_right() {
    let queue = Queue::new().await;
    let pooler = Pooler::start(Version::Older, queue.url(), "transaction", &[("default_pool_size", "1")]);
    let task = || task::run_task(RunTask::builder().how("now").build());
    task().send(&database(&pooler.url()).await).await.unwrap();
    // The next process gives the same name to a statement of its own, and does so without a cache, too.
    let options: PgConnectOptions = pooler.url().parse().unwrap();
    let uncached = PgPool::connect_with(options.statement_cache_capacity(0)).await.unwrap();
    task().send(&Database::from_pool(uncached, &PROJECT)).await.unwrap_err();
    let refused = task().send(&database(&pooler.url()).await).await.unwrap_err().to_string();
    assert!(refused.contains("prepared statement \"sqlx_s_1\" already exists"), "{refused}");
    assert!(
        refused.contains("PgBouncer keeps track of them from version 1.21 on, with `max_prepared_statements`"),
        "{refused}"
    );
}
