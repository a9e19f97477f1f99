//! Circuit breakers, shared by all workers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use specql_registry::{FailureClass, limits::CircuitBreaker};
use specql_runtime::{Worker, runner::Failure};

use crate::project::{Calls, Empty, Mail, Queue, Settings, eventually, fails};

fn guarded(open_for_ms: u64) -> Settings {
    let breaker =
        CircuitBreaker { window: 6, minimum_calls: 4, failure_rate: 50, open_for_ms, max_open_ms: open_for_ms * 4 };
    Settings { breaker: Some(breaker), ..Settings::default() }
}

/// A worker whose calls fail while `broken` says so.
async fn serving(queue: &Queue, calls: &Calls, broken: &Arc<AtomicBool>, class: FailureClass) -> Worker {
    let (calls, broken) = (calls.clone(), broken.clone());
    queue
        .worker()
        .concurrency(2)
        .handle::<Mail>(move |_, _| {
            let (calls, broken) = (calls.clone(), broken.clone());
            async move {
                calls.call(Duration::from_millis(1)).await;
                if broken.load(Ordering::SeqCst) { Err::<Empty, Failure>(fails(class)) } else { Ok(Empty::new()) }
            }
        })
        .start()
        .await
        .unwrap()
}

const STATE: &str = "SELECT count(*) FROM jobs.tb_circuit_breaker WHERE state = 'open'";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_fails_is_left_alone_and_one_call_finds_out_when_it_works_again() {
    let queue = Queue::new(guarded(1_500), Settings::default()).await;
    let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(true)));
    let workers = [
        serving(&queue, &calls, &broken, FailureClass::NotStarted).await,
        serving(&queue, &calls, &broken, FailureClass::NotStarted).await,
    ];
    queue.enqueue_many("mail", 40, None).await;
    eventually(async || (queue.count(STATE).await == 1).then_some(())).await;
    // What had been claimed may still be called; then there is silence on both workers.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = calls.made();
    assert!(before < 40, "{before} calls before it opened");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(calls.made(), before, "calls were made while it was open");

    // The probe fails too: one call of all workers, and it is open for twice as long.
    eventually(async || {
        (queue.count("SELECT count(*) FROM jobs.tb_circuit_breaker WHERE open_for_ms = 3000").await == 1).then_some(())
    })
    .await;
    assert_eq!(calls.made(), before + 1, "probes");

    broken.store(false, Ordering::SeqCst);
    queue.until_done("mail", 40).await;
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_circuit_breaker WHERE state = 'closed'").await, 1);
    // No job used an attempt up while it was held back: each was called at most as often as it failed.
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE status <> 'completed'").await, 0);
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

/// The jobs at the head make the probes, and would have been through all their attempts long before the outage is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_fails_costs_its_job_nothing() {
    for class in [FailureClass::NotStarted, FailureClass::Ambiguous, FailureClass::TransientReported] {
        let queue = Queue::new(guarded(40), Settings::default()).await;
        let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(true)));
        let worker = serving(&queue, &calls, &broken, class).await;
        queue.enqueue_many("mail", 3, None).await;
        // Four attempts for each of the three.
        eventually(async || (calls.made() > 20).then_some(())).await;
        broken.store(false, Ordering::SeqCst);
        queue.until_done("mail", 3).await;
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_are_not_the_services_fault_open_nothing() {
    let queue = Queue::new(guarded(60_000), Settings::default()).await;
    let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(true)));
    let worker = serving(&queue, &calls, &broken, FailureClass::PermanentReported).await;
    queue.enqueue_many("mail", 20, None).await;
    let failed = "SELECT count(*) FROM jobs.tb_job_outcome WHERE failure_class = 'permanent_reported'";
    eventually(async || (queue.count(failed).await == 20).then_some(())).await;
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_circuit_breaker").await, 0);
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_whose_worker_died_is_made_by_another() {
    let queue = Queue::new(guarded(60_000), Settings::default()).await;
    queue.enqueue_many("mail", 3, None).await;
    // As a worker leaves it that died with the probe, when its time is over.
    queue
        .execute(
            "INSERT INTO jobs.tb_circuit_breaker (operation_code, state, open_for_ms, open_until, probe_worker, probe_until, changed_at)
            SELECT code, 'half_open', 60000, now() - interval '1 minute', gen_random_uuid(), now() + interval '1 second', now()
            FROM jobs.tb_operation WHERE service_name = 'mail'",
        )
        .await;
    let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(false)));
    let worker = serving(&queue, &calls, &broken, FailureClass::NotStarted).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(calls.made(), 0, "the other worker's probe may still end");
    queue.until_done("mail", 3).await;
    worker.shutdown().await.unwrap();
}

/// The worker that opened it remembers for how long, and must believe whoever knows better.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_closed_by_hand_is_closed_for_the_worker_that_opened_it_too() {
    let queue = Queue::new(guarded(600_000), Settings::default()).await;
    let (calls, broken) = (Calls::default(), Arc::new(AtomicBool::new(true)));
    let worker = serving(&queue, &calls, &broken, FailureClass::NotStarted).await;
    queue.enqueue_many("mail", 10, None).await;
    eventually(async || (queue.count(STATE).await == 1).then_some(())).await;
    // Those that the worker had already come again in ten minutes, or wait with these, which are not claimed.
    queue.enqueue_many("mail", 5, None).await;
    queue.until("SELECT count(*) >= 5 FROM jobs.v_job_run WHERE waits_for = 'breaker'").await;
    broken.store(false, Ordering::SeqCst);
    queue.execute("SELECT jobs.reset_breaker('mail', 'go')").await;
    queue.until_done("mail", 5).await;
    worker.shutdown().await.unwrap();
}
