//! What a worker holds is bounded in bytes, and its stop in time.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use specql_runtime::worker::ShutdownError;
use tokio::sync::Semaphore;

use crate::project::{Echo, Queue, eventually, said};

/// Of an input or an output; there is room for sixteen.
const LARGE: usize = 64 << 10;
const MEMORY: usize = 16 * LARGE;

#[tokio::test(flavor = "multi_thread")]
async fn large_inputs_are_claimed_as_far_as_there_is_memory_for_them() {
    let queue = Queue::new().await;
    let enqueue = "SELECT count(*) FROM jobs.enqueue_many('work', 'echo',
        array_fill(jsonb_build_object('say', repeat('x', 65536)), ARRAY[40]))";
    assert_eq!(queue.count(enqueue).await, 40);
    let (go, running) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, count) = (Arc::clone(&go), Arc::clone(&running));
    let worker = queue
        .worker()
        .memory(MEMORY)
        .handle::<Echo>(move |input, _| {
            let (gate, count) = (Arc::clone(&gate), Arc::clone(&count));
            async move {
                assert_eq!(input["say"].len(), LARGE);
                count.fetch_add(1, SeqCst);
                gate.acquire().await.unwrap().forget();
                Ok::<_, Infallible>(said("done"))
            }
        })
        .start()
        .await
        .unwrap();
    eventually(async || (running.load(SeqCst) >= 15).then_some(())).await;
    // What was claimed beyond that is given back, and not asked for again while nothing ends.
    let leases = "SELECT count(*) FROM jobs.tb_job_lease";
    eventually(async || (queue.count(leases).await <= 17).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(running.load(SeqCst) <= 17, "{} run at once", running.load(SeqCst));
    let before: i64 = queue.count("SELECT coalesce(sum(epoch), 0) FROM jobs.tb_job_ready").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(queue.count("SELECT coalesce(sum(epoch), 0) FROM jobs.tb_job_ready").await, before, "it claims on");
    go.add_permits(1_000);
    let done = "SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed' AND attempts = 1";
    eventually(async || (queue.count(done).await == 40).then_some(())).await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_runs_while_large_outputs_wait_to_be_written() {
    let queue = Queue::new().await;
    let mut lock = queue.database().pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE jobs.tb_job_outcome IN SHARE MODE").execute(&mut *lock).await.unwrap();
    let enqueue = "SELECT count(*) FROM jobs.enqueue_many('work', 'echo', array_fill('{}'::jsonb, ARRAY[60]))";
    assert_eq!(queue.count(enqueue).await, 60);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let worker = queue
        .worker()
        .concurrency(4)
        .memory(MEMORY)
        .handle::<Echo>(move |_, _| {
            count.fetch_add(1, SeqCst);
            async move { Ok::<_, Infallible>(said(&"x".repeat(LARGE))) }
        })
        .start()
        .await
        .unwrap();
    eventually(async || (ran.load(SeqCst) >= 12).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Sixteen outputs fill the room, and each of the four slots holds one more.
    assert!(ran.load(SeqCst) <= 22, "{} outputs are in memory", ran.load(SeqCst));
    lock.rollback().await.unwrap();
    let done = "SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed'";
    eventually(async || (queue.count(done).await == 60).then_some(())).await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_results_nobody_takes_stops_all_the_same() {
    let queue = Queue::new().await;
    let mut lock = queue.database().pool().begin().await.unwrap();
    sqlx::query("LOCK TABLE jobs.tb_job_outcome IN SHARE MODE").execute(&mut *lock).await.unwrap();
    let enqueue = "SELECT count(*) FROM jobs.enqueue_many('work', 'echo', array_fill('{}'::jsonb, ARRAY[9000]))";
    assert_eq!(queue.count(enqueue).await, 9_000);
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let worker = queue
        .worker()
        .concurrency(50)
        .shutdown_timeout(Duration::from_millis(500))
        .handle::<Echo>(move |_, _| {
            count.fetch_add(1, SeqCst);
            async { Ok::<_, Infallible>(said("")) }
        })
        .start()
        .await
        .unwrap();
    // Every place for results is taken, and the fetcher waits for one to give back what found no slot.
    eventually(async || (ran.load(SeqCst) >= 4_096).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    let stopped = tokio::time::timeout(Duration::from_secs(50), worker.shutdown()).await.expect("it never stops");
    assert!(matches!(stopped, Err(ShutdownError::Unfinished { .. })), "after {:?}: {stopped:?}", began.elapsed());
    lock.rollback().await.unwrap();
}
