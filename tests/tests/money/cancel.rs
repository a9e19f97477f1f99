//! A charge that is cancelled, at every point of its life.

use crate::{
    bank::Act,
    till::{Call, Clicked, Key, Till},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_cancelled_before_any_call_gives_its_key_back() {
    let till = Till::open().await;
    for point in ["ready", "put off", "waiting after a refused connection", "claimed"] {
        let order = till.order().await;
        let job = till.click(Call::Charge, order).await.job;
        let answer = match point {
            "ready" => till.cancel(job).await,
            "put off" => {
                till.fail(till.claim().await, "rate_limited", Some(3_600_000), false).await;
                till.cancel(job).await
            }
            "waiting after a refused connection" => {
                till.fail(till.claim().await, "not_started", Some(3_600_000), true).await;
                till.cancel(job).await
            }
            _ => {
                let lease = till.claim().await;
                assert_eq!(till.cancel(job).await, "cancelling");
                till.release(lease).await;
                till.cancel(job).await
            }
        };
        assert_eq!(answer, if point == "claimed" { "finished" } else { "cancelled" }, "{point}");
        assert_eq!(till.state(job).await, "cancelled/cancelled", "{point}");
        let next = till.click_again(Call::Charge, order, job, Key::Released, point).await;
        let worker = till.worker().await;
        till.paid_once(order, next, point).await;
        worker.shutdown().await.unwrap();
        assert_eq!(till.bank.keys(order), [Some(next.to_string())], "{point}");
        assert_eq!(till.called_back(order).await, (1, 0), "who cancels knows: {point}");
    }
}

/// A charge that is cancelled with an unknown outcome behind it, before another call.
pub(crate) async fn cancel_between_two_calls(till: &Till) {
    let order = till.order().await;
    let job = till.click(Call::Charge, order).await.job;
    till.bank.charge(order, job);
    till.fail(till.claim().await, "ambiguous", Some(3_600_000), true).await;
    assert_eq!(till.cancel(job).await, "cancelled");
    till.click_again(Call::Charge, order, job, Key::Kept, "a cancel between two attempts").await;
    // Claimed again and cancelled before its second call, it still has the first behind it.
    let lease = till.claim().await;
    assert_eq!(till.cancel(job).await, "cancelling");
    till.release(lease).await;
    assert_eq!(till.state(job).await, "cancelled/cancelled");
    till.click_again(Call::Charge, order, job, Key::Kept, "a cancel before the second call").await;
    let worker = till.worker().await;
    till.paid_once(order, job, "two cancels").await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_cancelled_while_it_waits_after_an_unknown_outcome_keeps_its_key() {
    cancel_between_two_calls(&Till::open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_cancelled_in_its_call_keeps_its_key() {
    let till = Till::open().await;
    let worker = till.worker().await;
    for (act, charges) in [(Act::HangBeforeCharge, 0), (Act::ChargeThenHang, 1)] {
        for call in [Call::Charge, Call::Transfer] {
            let (order, after) = (till.order().await, format!("{act:?} of {call:?}"));
            till.bank.will([act]);
            let job = till.click(call, order).await.job;
            till.bank.called(order, 1).await;
            assert_eq!(till.cancel(job).await, "cancelling");
            assert_eq!(till.end(job).await, "cancelled/cancelled", "{after}");
            assert_eq!(till.click(call, order).await, Clicked { job, deduplicated: true }, "{after}");
            assert_eq!(till.bank.charges(order), charges, "{after}");
            // Of a transfer that happened nobody may ask again: the bank would not know it.
            if call == Call::Charge || charges == 0 {
                till.click_again(call, order, job, Key::Kept, &after).await;
                till.paid_once(order, job, &after).await;
            }
        }
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_callback_runs_or_is_over_cannot_be_cancelled_and_stays_the_one() {
    let till = Till::open().await;
    let order = till.order().await;
    let job = till.click(Call::Charge, order).await.job;
    // The callback writes this row.
    let mut lock = till.db().begin().await.unwrap();
    sqlx::query("SELECT FROM sales.tb_order WHERE id = $1 FOR UPDATE").bind(order).execute(&mut *lock).await.unwrap();
    let worker = till.worker().await;
    till.until(
        "SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'specql finish')",
    )
    .await;
    let (cancelled, ()) = tokio::join!(till.cancel(job), async {
        till.until(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%jobs.cancel%')",
        )
        .await;
        lock.rollback().await.unwrap();
    });
    assert_eq!(cancelled, "finished");
    till.paid_once(order, job, "a cancel during the callback").await;
    assert_eq!(till.cancel(job).await, "finished");
    assert_eq!(till.click(Call::Charge, order).await, Clicked { job, deduplicated: true });
    let (code, message) = till.retry(job).await.unwrap_err();
    assert!(code == "SQ409" && message.contains("has not failed"), "{code} {message}");
    assert_eq!(till.bank.keys(order).len(), 1);
    worker.shutdown().await.unwrap();
}
