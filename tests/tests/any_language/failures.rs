//! What a handler in Python raises, and what becomes of the job.

use specql_tests::work::{Outcome, Queue};

use crate::support::Python;

fn ended(outcome: &Outcome) -> (&str, Option<&str>, i32) {
    (&outcome.status, outcome.failure_class.as_deref(), outcome.attempts)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_an_exception_says_whether_the_call_is_repeated() {
    let queue = Queue::new().await;
    let _python = Python::start(&queue).await;
    let transient = queue.pay("busy").await;
    let permanent = queue.run("refuse").await;
    let unknown = queue.pay("stumble").await;
    let unstorable = queue.pay("babble").await;
    let beside_it = queue.run("now").await;

    // `Transient` proves that nothing happened, so even a payment is tried again.
    assert_eq!(queue.called(transient, 2).await.len(), 2);
    assert_eq!(ended(&queue.outcome(transient).await), ("completed", None, 2));
    let permanent = queue.outcome(permanent).await;
    assert_eq!(ended(&permanent), ("failed", Some("permanent_reported"), 1));
    assert_eq!(permanent.error_message.as_deref(), Some("refused"));
    assert_eq!(ended(&queue.outcome(unknown).await), ("failed", Some("ambiguous"), 1));
    assert_eq!(ended(&queue.outcome(unstorable).await), ("failed", Some("effect_result_lost"), 1));
    assert_eq!(ended(&queue.outcome(beside_it).await), ("completed", None, 1));
    // `on_failure` ran for those that failed, and `on_success` for the others.
    assert_eq!(queue.standing().await.miscounted, 0);
    assert_eq!(queue.standing().await.repeated, 1, "the payment that was refused at first");

    let again = queue.run("stumble").await;
    queue.called(again, 2).await;
}
