//! PostgreSQL itself: restarted, crashed, out of disk; its connections all taken.

use std::time::Duration;

use specql_tests::{process::eventually, server::OwnServer, work::Queue};

#[tokio::test(flavor = "multi_thread")]
async fn workers_outlive_a_restart_and_a_crash_of_postgresql() {
    let mut server = OwnServer::start().await;
    let queue = Queue::on(&server).await;
    let workers =
        [queue.worker().concurrency(5).start().await.unwrap(), queue.worker().concurrency(5).start().await.unwrap()];
    for crash in [false, true] {
        let calls = "SELECT count(*) FROM far_side.tb_call";
        let before = queue.count(calls).await;
        for _ in 0..5 {
            queue.pay("20ms").await;
        }
        // In one statement, and more than they do while they are watched.
        queue.run_many(300, "20ms").await;
        eventually("they work", async || queue.count(calls).await > before + 10).await;
        if crash {
            server.kill().await;
        } else {
            server.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.start_again().await;
        assert!(queue.standing().await.unfinished > 0, "it came too late to disturb anything");
        queue.at_rest().await;
    }
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

/// Of what a table may hold on the full disk: more than a segment of the write-ahead log, which is written in place. (Where
/// that cannot grow PostgreSQL stops, and it is a crash.)
const DISK: u64 = 16 * 1024 * 1024 + 4096;

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_results_wait_for_room_and_no_call_is_repeated() {
    let server = OwnServer::start().await;
    let queue = Queue::on(&server).await;
    // A row of these fills a page, so that nothing fits in between.
    queue.execute("ALTER TABLE jobs.tb_job_outcome_p0 ALTER COLUMN output_data SET STORAGE PLAIN").await;
    let fill = "INSERT INTO jobs.tb_job_outcome (pk_job_run, epoch, status, attempts, output_data, completed_at)
        SELECT $1 + n, 1, 'completed', 1, to_jsonb(repeat('x', 7980)), now() FROM generate_series(1, $2) AS n";
    sqlx::query(fill).bind(800_000).bind(2_040).execute(queue.pool()).await.unwrap();
    server.limit_files(Some(DISK)).await;
    let refused = sqlx::query(fill).bind(900_000).bind(20).execute(queue.pool()).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("53100"), "{refused}");

    let worker = queue.worker().concurrency(50).start().await.unwrap();
    queue.run_many(100, "now").await;
    queue.pay("now").await;
    queue.until("SELECT count(DISTINCT job) >= 50 FROM far_side.tb_call").await;
    let completing = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let before = queue.count(completing).await;
    eventually("the worker is refused again and again", async || queue.count(completing).await > before + 3).await;
    assert_eq!(queue.standing().await.completed, 0, "the disk is not full");
    server.limit_files(None).await;
    let standing = queue.at_rest().await;
    assert_eq!((standing.tasks, standing.completed), (101, 101));
    assert_eq!(
        queue.count("SELECT count(*) FROM far_side.tb_call").await,
        101,
        "no call was repeated for want of room"
    );
    worker.shutdown().await.unwrap();
}
