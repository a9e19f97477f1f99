//! Jobs that are held back by hand.

use std::{convert::Infallible, time::Duration};

use uuid::Uuid;

use crate::project::{Empty, Mail, Other, Queue, Settings, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_services_jobs_wait_on_all_workers_until_it_is_resumed() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    // Some are queued before it is paused, some after it.
    queue.enqueue_many("mail", 3, None).await;
    queue.execute("SELECT jobs.pause('mail')").await;
    queue.enqueue_many("mail", 2, Some(Uuid::from_u128(1))).await;
    let done = || std::future::ready(Ok::<_, Infallible>(Empty::new()));
    let mut workers = Vec::new();
    for _ in 0..2 {
        let worker = queue.worker().handle::<Mail>(move |_, _| done()).handle::<Other>(move |_, _| done());
        workers.push(worker.start().await.unwrap());
    }
    // Another service's jobs are served several times over, by each worker's full scans too.
    for round in 1..=3 {
        queue.enqueue_many("other", 5, None).await;
        queue.until_done("other", round * 5).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(queue.done("mail").await, 0);
    queue.execute("SELECT jobs.resume('mail')").await;
    queue.until_done("mail", 5).await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_what_it_names_and_nothing_else() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    let (paused, free) = (Uuid::from_u128(1), Uuid::from_u128(2));
    queue.execute("SELECT jobs.pause(_tenant_id => '00000000-0000-0000-0000-000000000001')").await;
    for tenant in [Some(paused), Some(free), None] {
        queue.enqueue_many("mail", 1, tenant).await;
    }
    let done = || std::future::ready(Ok::<_, Infallible>(Empty::new()));
    let worker = queue.worker().handle::<Mail>(move |_, _| done()).handle::<Other>(move |_, _| done());
    let worker = worker.start().await.unwrap();
    queue.until_done("mail", 2).await;
    let left = "SELECT count(*) FROM jobs.v_job_run WHERE status = 'pending' AND tenant_id = '00000000-0000-0000-0000-000000000001'";
    assert_eq!(queue.count(left).await, 1);

    // The whole type, but for a tenant of which nothing was said: it is paused twice over, and resumed in two steps.
    queue.execute("SELECT jobs.pause(_execution_type => 'http')").await;
    queue.execute("SELECT jobs.resume(_tenant_id => '00000000-0000-0000-0000-000000000001')").await;
    queue.enqueue_many("other", 1, None).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!((queue.done("mail").await, queue.done("other").await), (2, 0));
    queue.execute("SELECT jobs.resume(_execution_type => 'http')").await;
    queue.until_done("mail", 3).await;
    queue.until_done("other", 1).await;
    // Nothing is left of it: the operations share a lane again.
    let own = "SELECT count(*) FROM jobs.tb_operation WHERE own_lane";
    eventually(async || (queue.count(own).await == 0).then_some(())).await;
    worker.shutdown().await.unwrap();
}
