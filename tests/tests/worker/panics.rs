//! Runners that panic, wherever they do.

use serde_json::json;
use specql_registry::{
    ExecutionType, Operation as Declared, Service,
    service::{Call, Configuration},
};
use specql_runtime::runner::{BoxFuture, Context, Failure, Plan, Runner, RunningJob, Success};

use crate::project::{Queue, operation, registry_of};

/// Panics where the job says; every other job is done.
struct Fragile;

impl Fragile {
    fn reaches(job: &RunningJob<'_>, place: &str) {
        assert!(job.input["say"].as_str() != Some(place), "broken in {place}");
    }
}

impl Runner for Fragile {
    fn validate(&self, _service: &Service, _configuration: &Configuration) -> Result<(), String> {
        Ok(())
    }

    fn plan(&self, job: &RunningJob<'_>) -> Result<Plan, Failure> {
        Self::reaches(job, "plan");
        Ok(Plan::Handler)
    }

    fn execute<'a>(
        &'a self,
        _plan: Plan,
        job: &'a RunningJob<'a>,
        _context: &'a Context,
    ) -> BoxFuture<'a, Result<Success, Failure>> {
        Self::reaches(job, "execute");
        Box::pin(async {
            Self::reaches(job, "the first poll");
            tokio::task::yield_now().await;
            Self::reaches(job, "a later poll");
            Ok(Success { output: json!({"said": "done"}).into(), usage: json!({}) })
        })
    }
}

fn called(name: &str, idempotent: bool) -> Declared {
    let call = json!({"http": {
        "method": "POST", "target": {"path": [{"text": "/"}]}, "query": {}, "headers": {}, "body": "json",
        "body_template": null, "idempotency_header": null, "success": [], "retry_on": null, "output": null,
    }});
    let call: Call = serde_json::from_value(call).unwrap();
    Declared { call, ..operation(name, idempotent) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_panics_fails_its_attempt_and_the_slot_goes_on() {
    let queue = Queue::with(&registry_of([called("echo", true), called("pay", false)], Configuration::Handler)).await;
    // One slot: whoever takes it with him stops everything.
    let worker = queue.worker().concurrency(1).runner(ExecutionType::Http, Fragile).start().await.unwrap();
    for place in ["plan", "execute", "the first poll", "a later poll"] {
        let (once, again) = (queue.enqueue("pay", place).await, queue.enqueue("echo", place).await);
        let message = format!("the runner panicked: broken in {place}");
        for (job, attempts) in [(once, 1), (again, 3)] {
            let outcome = queue.outcome(job).await;
            assert_eq!((outcome.class.as_deref(), outcome.attempts), (Some("ambiguous"), attempts), "{place}");
            assert_eq!(outcome.message.as_deref(), Some(message.as_str()));
        }
    }
    let fine = queue.enqueue("pay", "fine").await;
    assert_eq!(queue.outcome(fine).await.status, "completed");
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 0);
    worker.shutdown().await.unwrap();
}
