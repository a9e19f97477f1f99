//! Every class of failure, reported as a worker reports it. Where the class leaves open whether the bank has charged, it has.

use specql_registry::FailureClass;
use uuid::Uuid;

use crate::till::{Call, Clicked, Key, Till};

/// What a class says of the key, of a call that a worker has begun.
fn key_after(class: FailureClass) -> Key {
    match class {
        FailureClass::PolicyDenied
        | FailureClass::InvalidInput
        | FailureClass::NotStarted
        | FailureClass::BreakerOpen
        | FailureClass::RateLimited
        | FailureClass::NoCapacity
        | FailureClass::PermanentReported => Key::Released,
        FailureClass::Ambiguous
        | FailureClass::EffectResultLost
        | FailureClass::TransientReported
        | FailureClass::Timeout
        | FailureClass::ResourceLimit
        | FailureClass::KilledExternal
        | FailureClass::CallbackFailed
        | FailureClass::Cancelled
        | FailureClass::Poison => Key::Kept,
        other => panic!("what becomes of the key after `{other}`?"),
    }
}

/// All classes with which a call can end. A superseded one was not under way; its key is the newer call's.
fn classes() -> impl Iterator<Item = FailureClass> {
    FailureClass::ALL.into_iter().filter(|class| *class != FailureClass::Superseded)
}

/// A charge of a new order that ended with this class: the order and the job.
async fn ended_with(till: &Till, call: Call, class: FailureClass) -> (Uuid, Uuid) {
    let order = till.order().await;
    let job = till.click(call, order).await.job;
    let lease = till.claim().await;
    if key_after(class) == Key::Kept {
        till.bank.charge(order, job);
    }
    match class {
        FailureClass::CallbackFailed => till.give_callbacks_up(lease).await,
        FailureClass::Poison => {
            till.rescue().await;
            for _ in 0..2 {
                till.claim().await;
                till.rescue().await;
            }
        }
        _ => till.fail(lease, class.name(), None, true).await,
    }
    let status = if class == FailureClass::Cancelled { "cancelled" } else { "failed" };
    assert_eq!(till.state(job).await, format!("{status}/{class}"));
    (order, job)
}

/// Of all classes: a customer who clicks again.
pub(crate) async fn click_again_after(till: &Till, class: FailureClass) {
    let (order, job) = ended_with(till, Call::Charge, class).await;
    let calls = till.bank.keys(order).len();
    let next = till.click_again(Call::Charge, order, job, key_after(class), class.name()).await;
    let worker = till.worker().await;
    till.paid_once(order, next, class.name()).await;
    worker.shutdown().await.unwrap();
    // An answer that is known is not asked for again.
    let expected = if class == FailureClass::CallbackFailed { calls } else { calls + 1 };
    assert_eq!(till.bank.keys(order), vec![Some(next.to_string()); expected], "after {class}");
    let (code, _) = till.retry(job).await.unwrap_err();
    assert_eq!(code, "SQ409", "after {class} and the charge");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_every_class_a_second_click_and_what_follows_charge_once() {
    let till = Till::open().await;
    for class in classes() {
        click_again_after(&till, class).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_every_class_a_retry_is_the_same_job_under_the_same_key_and_charges_once() {
    let till = Till::open().await;
    let mut retried = Vec::new();
    for class in classes() {
        retried.push((class, ended_with(&till, Call::Charge, class).await));
    }
    for (class, (order, job)) in &retried {
        till.retry_first(Call::Charge, *order, *job, class.name()).await;
    }
    let worker = till.worker().await;
    for (class, (order, job)) in retried {
        till.paid_once(order, job, class.name()).await;
        let keys = till.bank.keys(order);
        assert!(keys.iter().all(|key| *key == Some(job.to_string())), "after {class}: {keys:?}");
    }
    worker.shutdown().await.unwrap();
}

/// Where the bank does not know a repeated call, nothing but the operator's word repeats one whose outcome is open.
#[tokio::test(flavor = "multi_thread")]
async fn after_every_class_a_second_click_on_a_transfer_calls_again_only_where_nothing_happened() {
    let till = Till::open().await;
    let mut ended = Vec::new();
    // A transfer is over with the first worker that dies (see `crash`): it is never poison.
    for class in classes().filter(|class| *class != FailureClass::Poison) {
        ended.push((class, ended_with(&till, Call::Transfer, class).await));
    }
    let mut clicked = Vec::new();
    for (class, (order, job)) in ended {
        let again = till.click(Call::Transfer, order).await;
        let kept = key_after(class) == Key::Kept;
        assert_eq!((again.job == job, again.deduplicated), (kept, kept), "after {class}");
        clicked.push((class, order, again.job));
    }
    let worker = till.worker().await;
    for (class, order, job) in clicked {
        till.end(job).await;
        assert_eq!((till.bank.keys(order).len(), till.bank.charges(order)), (1, 1), "after {class}");
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_and_retries_at_once_charge_once() {
    let till = Till::open().await;
    let mut ended = Vec::new();
    for class in [FailureClass::Ambiguous, FailureClass::PermanentReported] {
        ended.push((class, ended_with(&till, Call::Charge, class).await));
    }
    let mut paid = Vec::new();
    for (class, (order, job)) in ended {
        let (a, b, c, retried, again) = tokio::join!(
            till.click(Call::Charge, order),
            till.click(Call::Charge, order),
            till.click(Call::Charge, order),
            till.retry(job),
            till.retry(job),
        );
        assert!(a.job == b.job && b.job == c.job, "after {class}: {a:?} {b:?} {c:?}");
        assert!(retried.is_err() || again.is_err(), "after {class}: both retries");
        if class == FailureClass::Ambiguous {
            assert_eq!([a, b, c], [Clicked { job, deduplicated: true }; 3]);
            assert!(retried.is_ok() || again.is_ok(), "neither retry: {retried:?} {again:?}");
        }
        paid.push((class, order, a.job));
    }
    let worker = till.worker().await;
    for (class, order, job) in paid {
        till.paid_once(order, job, class.name()).await;
    }
    worker.shutdown().await.unwrap();
}
