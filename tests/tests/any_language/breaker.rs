//! A circuit breaker that is open.

use specql_tests::work::Queue;

use crate::support::Python;

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_in_python_closes_the_breaker_or_opens_it_for_longer() {
    let queue = Queue::new().await;
    queue
        .execute(
            "UPDATE jobs.tb_operation SET has_breaker = true; SELECT jobs.assign_lanes();
            SELECT jobs.open_breaker(gen_random_uuid(), code, 300, 60000, 'as a worker in Rust does') FROM jobs.tb_operation",
        )
        .await;
    let failing = queue.run("busy").await;
    let _python = Python::start(&queue).await;
    queue.called(failing, 1).await;
    queue.until("SELECT open_for_ms = 600 FROM jobs.tb_circuit_breaker JOIN jobs.tb_operation ON code = operation_code WHERE operation = 'run'").await;
    // The second call is the next probe. The first cost the job nothing.
    assert_eq!(queue.outcome(failing).await.attempts, 1);
    queue.until("SELECT state = 'closed' FROM jobs.tb_circuit_breaker JOIN jobs.tb_operation ON code = operation_code WHERE operation = 'run'").await;
    // What the far side refuses proves that it works.
    queue.pay("refuse").await;
    queue.until("SELECT state = 'closed' FROM jobs.tb_circuit_breaker JOIN jobs.tb_operation ON code = operation_code WHERE operation = 'pay'").await;
}
