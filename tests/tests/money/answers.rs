//! What the bank and the network may do, seen by a worker over HTTP.

use specql_tests::process::free_port;

use crate::{
    bank::Act,
    till::{Call, Clicked, Key, Till},
};

/// How a job ends for good when the bank does this with each of its calls, and what becomes of its key.
struct Answer {
    acts: Vec<Act>,
    ends: &'static str,
    key: Key,
}

const fn answer(acts: Vec<Act>, ends: &'static str, key: Key) -> Answer {
    Answer { acts, ends, key }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_every_final_answer_a_second_click_and_what_follows_charge_once() {
    let till = Till::open().await;
    let worker = till.worker().await;
    let refusals = [400, 401, 404, 409, 422]
        .map(|status| answer(vec![Act::Refuse(status)], "failed/permanent_reported", Key::Released));
    let others = [
        answer(vec![Act::Decline], "failed/permanent_reported", Key::Released),
        // Where it led it may have been done.
        answer(vec![Act::Refuse(303)], "failed/permanent_reported", Key::Kept),
        answer(vec![Act::Refuse(503); 3], "failed/transient_reported", Key::Kept),
        answer(vec![Act::DropBeforeCharge; 3], "failed/ambiguous", Key::Kept),
        // The bank refuses a repeated call: an earlier one may have charged all the same.
        answer(vec![Act::DropBeforeCharge, Act::Refuse(409)], "failed/permanent_reported", Key::Kept),
    ];
    for answer in refusals.into_iter().chain(others) {
        let (order, after) = (till.order().await, format!("{:?}", answer.acts));
        till.bank.will(answer.acts);
        let job = till.click(Call::Charge, order).await.job;
        assert_eq!(till.end(job).await, answer.ends, "after {after}");
        assert_eq!(till.bank.charges(order), 0, "after {after}");
        let next = till.click_again(Call::Charge, order, job, answer.key, &after).await;
        till.paid_once(order, next, &after).await;
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_was_lost_is_asked_for_again_under_its_key() {
    let till = Till::open().await;
    let worker = till.worker().await;
    // Until then it is told again and again that this is not the time.
    let order = till.order().await;
    till.bank.will(vec![Act::Refuse(429); 7]);
    let job = till.click(Call::Charge, order).await.job;
    till.paid_once(order, job, "seven refusals").await;
    assert_eq!(till.bank.keys(order), vec![Some(job.to_string()); 8]);
    for act in [Act::ChargeThenDrop, Act::ChargeThenGarbage, Act::ChargeThenSay(500), Act::ChargeThenSay(503)] {
        let (order, after) = (till.order().await, format!("{act:?}"));
        till.bank.will([act]);
        let job = till.click(Call::Charge, order).await.job;
        till.paid_once(order, job, &after).await;
        assert_eq!(till.bank.keys(order), vec![Some(job.to_string()); 2], "after {after}");
        assert_eq!(till.click(Call::Charge, order).await, Clicked { job, deduplicated: true }, "after {after}");
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_whose_answer_was_lost_is_not_repeated_by_itself_nor_by_a_second_click() {
    let till = Till::open().await;
    let worker = till.worker().await;
    let lost = [
        (Act::ChargeThenDrop, "failed/ambiguous", 1),
        (Act::DropBeforeCharge, "failed/ambiguous", 0),
        (Act::ChargeThenSay(500), "failed/ambiguous", 1),
        (Act::ChargeThenSay(503), "failed/ambiguous", 1),
        (Act::ChargeThenSay(408), "failed/ambiguous", 1),
        (Act::ChargeThenGarbage, "failed/effect_result_lost", 1),
    ];
    for (act, ends, charges) in lost {
        let order = till.order().await;
        till.bank.will([act]);
        let job = till.click(Call::Transfer, order).await.job;
        assert_eq!(till.end(job).await, ends, "after {act:?}");
        assert_eq!(till.click(Call::Transfer, order).await, Clicked { job, deduplicated: true }, "after {act:?}");
        assert_eq!(till.bank.keys(order), [None], "after {act:?}");
        assert_eq!(till.bank.charges(order), charges, "after {act:?}");
        if charges == 0 {
            // Who has looked, and knows that it did not happen, has the same job do it.
            assert_eq!(till.retry(job).await, Ok(job));
            till.paid_once(order, job, "a look at the bank").await;
        }
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_hangs_ends_with_its_time_and_is_asked_for_again_under_its_key() {
    let till = Till::open().await;
    let order = till.order().await;
    till.bank.will([Act::ChargeThenHang]);
    let job = till.click(Call::Charge, order).await.job;
    till.execute("UPDATE jobs.tb_job_run SET timeout_seconds = 1").await;
    let worker = till.worker().await;
    till.paid_once(order, job, "a hanging call").await;
    assert_eq!(till.bank.keys(order), vec![Some(job.to_string()); 2]);
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_cannot_be_reached_gives_the_key_back() {
    let till = Till::open().await;
    let order = till.order().await;
    let job = till.click(Call::Charge, order).await.job;
    till.execute("UPDATE jobs.tb_job_run SET give_up_seconds = 1").await;
    let worker = till.worker_at(&format!("http://127.0.0.1:{}", free_port())).await;
    assert_eq!(till.end(job).await, "failed/not_started");
    worker.shutdown().await.unwrap();
    let next = till.click_again(Call::Charge, order, job, Key::Released, "not_started").await;
    let worker = till.worker().await;
    till.paid_once(order, next, "not_started").await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_charge_is_declined_again_to_a_retry_and_charged_for_a_second_click() {
    let till = Till::open().await;
    let worker = till.worker().await;
    let order = till.order().await;
    till.bank.will([Act::Decline]);
    let job = till.click(Call::Charge, order).await.job;
    assert_eq!(till.end(job).await, "failed/permanent_reported");
    assert_eq!(till.retry(job).await, Ok(job));
    assert_eq!(till.end(job).await, "failed/permanent_reported");
    assert_eq!(till.bank.keys(order), vec![Some(job.to_string()); 2], "the bank remembers its answer to the key");
    let next = till.click_again(Call::Charge, order, job, Key::Released, "a decline").await;
    till.paid_once(order, next, "a decline").await;
    worker.shutdown().await.unwrap();
}

/// The contrast to `once`: what is done may be done again, and a failed job whose successor is done may be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_unique_in_flight_alone_may_be_made_again_once_it_is_done() {
    let till = Till::open().await;
    let worker = till.worker().await;
    let order = till.order().await;
    till.bank.will([Act::Refuse(400)]);
    let first = till.click(Call::TopUp, order).await.job;
    assert_eq!(till.end(first).await, "failed/permanent_reported");
    let second = till.click(Call::TopUp, order).await;
    assert!(second.job != first && !second.deduplicated);
    assert_eq!(till.end(second.job).await, "completed");
    assert_eq!(till.bank.charges(order), 1);
    assert_eq!(till.retry(first).await, Ok(first));
    assert_eq!(till.end(first).await, "completed");
    assert_eq!(till.bank.charges(order), 2, "two jobs, each charged once");

    // An unknown outcome keeps this key as well: a second click is the same job, until somebody tries that one again.
    let order = till.order().await;
    till.bank.will([Act::ChargeThenDrop]);
    let job = till.click(Call::TopUp, order).await.job;
    till.paid_once(order, job, "an answer that was lost").await;
    let order = till.order().await;
    till.bank.will([Act::DropBeforeCharge; 3]);
    let job = till.click(Call::TopUp, order).await.job;
    assert_eq!(till.end(job).await, "failed/ambiguous");
    till.click_again(Call::TopUp, order, job, Key::Kept, "an unknown outcome").await;
    till.paid_once(order, job, "an unknown outcome").await;
    worker.shutdown().await.unwrap();
}
