//! That the tests can fail: each mistake is made in the queue's SQL, and found.

use specql_registry::FailureClass;

use crate::{
    cancel::cancel_between_two_calls,
    classes::click_again_after,
    crash::{Point, transfer_killed_at},
    till::Till,
};

/// The message with which a scenario fails.
async fn failure(scenario: impl Future<Output = ()> + 'static) -> String {
    let tasks = tokio::task::LocalSet::new();
    let running = tasks.spawn_local(scenario);
    let ended = tasks.run_until(running).await;
    let panic = ended.expect_err("the mistake was not found").into_panic();
    *panic.downcast::<String>().expect("an assertion with a message")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_given_back_after_a_failure_that_proves_nothing_is_found() {
    let mistake = "'policy_denied', 'transient_reported'";
    let till = Till::open().await.with_mistake("proves_no_effect", "'policy_denied'", mistake).await;
    let found = failure(async move { click_again_after(&till, FailureClass::TransientReported).await }).await;
    assert!(found.contains("the key is not kept"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_under_another_idempotency_key_is_found() {
    let till = Till::open().await.with_mistake("claim", "j.id,", "gen_random_uuid() AS id,").await;
    let found = failure(async move { click_again_after(&till, FailureClass::Timeout).await }).await;
    assert!(found.contains("charges"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rescue_that_repeats_a_call_the_bank_would_not_recognise_is_found() {
    let till = Till::open().await.with_mistake("rescue", "AND called.idempotent ", "").await;
    let found = failure(async move { transfer_killed_at(&till, Point::Charged).await }).await;
    assert!(found.contains("failed/ambiguous"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_forgets_an_earlier_call_is_found() {
    let till = Till::open().await.with_mistake("cancel_waiting", " AND _job.effect_possible IS NOT TRUE", "").await;
    let found = failure(async move { cancel_between_two_calls(&till).await }).await;
    assert!(found.contains("the key is not kept"), "{found}");
}
