//! What `docs/other-languages.md` and `examples/python` show is true.

use specql_tests::{app::repository, work::Queue};

use crate::support::Python;

#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs_as_it_stands() {
    let queue = Queue::new().await;
    queue
        .execute(
            "SELECT jobs.register_operations('[{\"service\": \"ledger\", \"operation\": \"post\", \
            \"timeout_seconds\": 30, \"max_attempts\": 3}]')",
        )
        .await;
    let _python = Python::run(&queue, &repository().join("examples/python/worker.py")).await;
    let job: uuid::Uuid = sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('ledger', 'post', '{\"amount\": 3}')")
        .fetch_one(queue.pool())
        .await
        .unwrap();
    assert_eq!(queue.outcome(job).await.status, "completed");
    assert_eq!(queue.output(job).await["entry"], job.to_string());
}
