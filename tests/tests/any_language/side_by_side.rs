//! Both share a queue.

use rustix::process::Signal;
use specql_tests::{process::eventually, work::Queue};

use crate::support::Python;

const CALLED_TWICE: &str = "SELECT count(*) FROM (SELECT FROM far_side.tb_call AS c JOIN jobs.tb_job_run AS j ON j.id = c.job \
                            WHERE j.input_data ->> 'how' <> 'busy' GROUP BY c.job HAVING count(*) > 1) AS twice";
/// The most calls of the limited operation at once: each lasted for its `how` at least, from when the far side saw it.
const MOST_AT_ONCE: &str = "
    WITH call AS (
        SELECT c.at, c.at + (j.input_data ->> 'how')::interval AS until
        FROM far_side.tb_call AS c JOIN jobs.tb_job_run AS j ON j.id = c.job
        WHERE c.operation = 'squeeze')
    SELECT max((SELECT count(*) FROM call AS other WHERE other.at <= call.at AND call.at < other.until)) FROM call";

#[tokio::test(flavor = "multi_thread")]
async fn every_job_and_every_callback_runs_once_whichever_worker_takes_it() {
    let queue = Queue::new().await;
    let python = Python::start(&queue).await;
    let rust = queue.worker().concurrency(10).start().await.unwrap();
    queue.run_many(250, "10ms").await;
    for _ in 0..20 {
        queue.pay("10ms").await;
        queue.run("busy").await;
        queue.run("refuse").await;
    }
    let standing = queue.at_rest().await;
    assert_eq!((standing.tasks, standing.completed), (310, 290));
    assert_eq!(queue.count(CALLED_TWICE).await, 0);
    for process in [python.id, i32::try_from(std::process::id()).unwrap()] {
        assert!(queue.calls_of(process).await > 0, "a worker has taken nothing");
    }
    rust.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_over_both() {
    let queue = Queue::new().await;
    let python = Python::start(&queue).await;
    queue.squeeze("2000ms").await;
    let first = queue.squeeze("2000ms").await;
    assert_eq!(queue.called(first, 1).await[0].process, python.id);
    // Who has a slot keeps it while there are jobs, so the third one must be Rust's before Python can ask for it; a claim may have
    // taken it ahead, and upkeep gives it back.
    queue.until("SELECT sum(slots) = 2 FROM jobs.tb_limit_share").await;
    python.process.signal(Signal::STOP);
    let rust = queue.worker().concurrency(10).start().await.unwrap();
    for _ in 0..40 {
        queue.squeeze("60ms").await;
    }
    let here = i32::try_from(std::process::id()).unwrap();
    eventually("Rust takes the third slot", async || queue.calls_of(here).await > 0).await;
    python.process.signal(Signal::CONT);
    assert_eq!(queue.at_rest().await.completed, 42);
    assert_eq!(queue.count(MOST_AT_ONCE).await, 3);
    // Neither sits on slots that it no longer needs.
    queue.until("SELECT count(*) = 0 FROM jobs.tb_limit_share").await;
    rust.shutdown().await.unwrap();
}
