//! Limits of a service over all workers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use specql_registry::limits::{Limits, Rate};
use specql_runtime::Worker;
use tokio::sync::Notify;

use crate::project::{Calls, Empty, Mail, Other, Queue, Settings, eventually};

fn limited(concurrency: Option<u32>, rate: Option<Rate>) -> Settings {
    Settings { limits: Limits { concurrency, rate }, ..Settings::default() }
}

async fn serving(queue: &Queue, calls: &Calls, takes: Duration) -> Worker {
    let (mail, other) = (calls.clone(), Calls::default());
    queue
        .worker()
        .handle::<Mail>(move |_, _| {
            let mail = mail.clone();
            async move {
                mail.call(takes).await;
                Ok::<_, Infallible>(Empty::new())
            }
        })
        .handle::<Other>(move |_, _| {
            let other = other.clone();
            async move {
                other.call(Duration::ZERO).await;
                Ok::<_, Infallible>(Empty::new())
            }
        })
        .start()
        .await
        .unwrap()
}

const RUNNING: &str = "SELECT count(*) FROM jobs.tb_job_lease AS l JOIN jobs.tb_operation AS o ON o.code = l.operation_code \
                       WHERE o.service_name = 'mail'";

#[tokio::test(flavor = "multi_thread")]
async fn never_more_jobs_run_than_the_limit_over_all_workers() {
    let queue = Queue::new(limited(Some(3), None), Settings::default()).await;
    let calls = Calls::default();
    let workers = [
        serving(&queue, &calls, Duration::from_millis(15)).await,
        serving(&queue, &calls, Duration::from_millis(15)).await,
    ];
    queue.enqueue_many("mail", 90, None).await;
    let mut most = 0;
    eventually(async || {
        most = most.max(queue.count(RUNNING).await);
        (queue.done("mail").await == 90).then_some(())
    })
    .await;
    assert_eq!(calls.made(), 90);
    assert_eq!(calls.most(), 3, "calls at once");
    assert!(most <= 3, "{most} leases at once");
    // What is no longer needed is given back.
    eventually(async || (queue.count("SELECT count(*) FROM jobs.tb_limit_share").await == 0).then_some(())).await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_claim_takes_no_more_slots_than_there_are_jobs() {
    let queue = Queue::new(limited(Some(3), None), Settings::default()).await;
    queue.enqueue("mail").await;
    let claimed = "SELECT count(*) FROM jobs.claim(gen_random_uuid(), ARRAY(SELECT code FROM jobs.tb_operation), 10)";
    assert_eq!(queue.count(claimed).await, 1);
    assert_eq!(queue.count("SELECT sum(slots)::int8 FROM jobs.tb_limit_share").await, 1, "others may need them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_died_does_not_keep_its_slots() {
    let queue = Queue::new(limited(Some(2), None), Settings::default()).await;
    let started = Arc::new(Notify::new());
    let seen = started.clone();
    let dying = queue
        .worker()
        .handle::<Mail>(move |_, _| {
            started.notify_one();
            std::future::pending::<Result<Empty, Infallible>>()
        })
        .start()
        .await
        .unwrap();
    queue.enqueue_many("mail", 4, None).await;
    seen.notified().await;
    eventually(async || (queue.count("SELECT sum(slots)::int8 FROM jobs.tb_limit_share").await == 2).then_some(()))
        .await;
    let calls = Calls::default();
    let next = serving(&queue, &calls, Duration::ZERO).await;
    drop(dying); // no farewell, as after kill -9
    queue
        .execute(
            "UPDATE jobs.tb_job_lease SET renewed_at = coalesce(renewed_at, claimed_at) - interval '11 seconds';
            UPDATE jobs.tb_worker SET heartbeat_at = heartbeat_at - interval '11 seconds'
            WHERE id IN (SELECT w.id FROM jobs.tb_job_lease JOIN jobs.tb_worker_code AS w ON w.code = worker_code)",
        )
        .await;
    queue.until_done("mail", 4).await;
    next.shutdown().await.unwrap();
    // Nor does one that took leave.
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_limit_share").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_workers_slots_are_not_taken_from_it() {
    let queue = Queue::new(limited(Some(2), None), Settings::default()).await;
    let calls = Calls::default();
    let busy = serving(&queue, &calls, Duration::from_millis(2_500)).await;
    queue.enqueue_many("mail", 2, None).await;
    eventually(async || (calls.made() == 2).then_some(())).await;
    let other = serving(&queue, &calls, Duration::ZERO).await;
    queue.enqueue_many("mail", 2, None).await;
    // Both go on, rounds of upkeep pass, and the second worker gets no slot before the first one's jobs are over.
    let mut most = 0;
    eventually(async || {
        most = most.max(queue.count(RUNNING).await);
        (queue.done("mail").await == 4).then_some(())
    })
    .await;
    assert_eq!((most, calls.most()), (2, 2));
    busy.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_a_limit_holds_back_do_not_stand_in_the_way_of_others() {
    let queue = Queue::new(limited(Some(1), None), Settings::default()).await;
    let calls = Calls::default();
    let worker = serving(&queue, &calls, Duration::from_secs(3)).await;
    queue.enqueue_many("mail", 5_000, None).await;
    eventually(async || (calls.made() == 1).then_some(())).await;
    queue.enqueue("other").await;
    queue.until_done("other", 1).await;
    assert_eq!((calls.made(), queue.done("mail").await), (1, 0));
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_start_in_a_second_than_the_rate_over_all_workers() {
    let rate = Rate { starts: 30, period_ms: 1_000 };
    let queue = Queue::new(limited(None, Some(rate)), Settings::default()).await;
    let starts: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let mut workers = Vec::new();
    for _ in 0..2 {
        let starts = starts.clone();
        let note = move |_, _| {
            starts.lock().unwrap().push(Instant::now());
            std::future::ready(Ok::<_, Infallible>(Empty::new()))
        };
        workers.push(queue.worker().handle::<Mail>(note).start().await.unwrap());
    }
    queue.enqueue_many("mail", 75, None).await;
    queue.until_done("mail", 75).await;
    let mut starts = std::mem::take(&mut *starts.lock().unwrap());
    starts.sort_unstable();
    let in_a_second = |from: &Instant| {
        starts.iter().filter(|at| **at >= *from && at.duration_since(*from) < Duration::from_secs(1)).count()
    };
    let most = starts.iter().map(in_a_second).max();
    // A tenth may come at once; as much again for what the way from the claim to the start takes on a busy machine.
    assert!(most <= Some(36), "{most:?} starts in a second");
    // And the rate is used: 75 jobs take two and a half seconds, not ten.
    let took = starts[74] - starts[0];
    assert!((Duration::from_millis(2_200)..Duration::from_secs(8)).contains(&took), "{took:?}");
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}
