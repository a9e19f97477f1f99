//! A worker's process that is killed, at every point of a charge.

use crate::{
    bank::Act,
    till::{Call, Clicked, Key, Till},
};

/// Where the process is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Its claim is committed; it knows of no job yet.
    Claimed,
    /// The bank has the call and has not charged.
    Called,
    /// The bank has charged and not answered.
    Charged,
    /// The answer is there and not recorded.
    Answered,
    /// All is recorded.
    Completed,
}

impl Point {
    const ALL: [Self; 5] = [Self::Claimed, Self::Called, Self::Charged, Self::Answered, Self::Completed];

    /// Charges that the bank has made by then.
    const fn charges(self) -> usize {
        matches!(self, Self::Charged | Self::Answered | Self::Completed) as usize
    }
}

/// Runs a process up to that point and kills it; nobody has found that out yet.
async fn kill_at(till: &Till, call: Call, point: Point) -> (uuid::Uuid, uuid::Uuid) {
    let order = till.order().await;
    let held = match point {
        Point::Claimed => Some("LOCK TABLE jobs.tb_job_lease IN SHARE MODE"),
        Point::Answered => Some("LOCK TABLE jobs.tb_job_outcome IN EXCLUSIVE MODE"),
        _ => None,
    };
    match point {
        Point::Called => till.bank.will([Act::HangBeforeCharge]),
        Point::Charged => till.bank.will([Act::ChargeThenHang]),
        _ => {}
    }
    let job = till.click(call, order).await.job;
    let mut lock = till.db().begin().await.unwrap();
    if let Some(held) = held {
        sqlx::raw_sql(held).execute(&mut *lock).await.unwrap();
    }
    let mut process = till.process();
    match point {
        Point::Claimed => till.until(WAITING_IN_CLAIM).await,
        Point::Called | Point::Charged => till.bank.called(order, 1).await,
        Point::Answered => till.until(WAITING_IN_FINISH).await,
        Point::Completed => assert_eq!(till.end(job).await, "completed"),
    }
    process.kill();
    if point == Point::Answered {
        // The machine is gone, and its connections with it.
        till.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'specql finish'",
        )
        .await;
        till.until(
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'specql finish')",
        )
        .await;
    }
    lock.rollback().await.unwrap();
    if point == Point::Claimed {
        // Its session does not know yet that nobody is there, and commits.
        till.until("SELECT EXISTS (SELECT FROM jobs.tb_job_lease)").await;
    }
    assert_eq!(till.bank.charges(order), point.charges(), "{point:?}");
    (order, job)
}

const WAITING_IN_CLAIM: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'specql claim')";
const WAITING_IN_FINISH: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'specql finish')";

/// Until a crash is found out the job counts as running, or is done: a click is the same job, and there is nothing to retry.
async fn neither_click_nor_retry_helps(till: &Till, call: Call, order: uuid::Uuid, job: uuid::Uuid, point: Point) {
    assert_eq!(till.click(call, order).await, Clicked { job, deduplicated: true }, "{point:?}");
    let (code, message) = till.retry(job).await.unwrap_err();
    assert!(code == "SQ409" && message.contains("has not failed"), "{point:?}: {code} {message}");
}

/// A charge whose worker is killed.
pub(crate) async fn charge_killed_at(till: &Till, point: Point) {
    let (order, job) = kill_at(till, Call::Charge, point).await;
    neither_click_nor_retry_helps(till, Call::Charge, order, job, point).await;
    till.rescue().await;
    neither_click_nor_retry_helps(till, Call::Charge, order, job, point).await;
    let worker = till.worker().await;
    till.paid_once(order, job, &format!("{point:?}")).await;
    neither_click_nor_retry_helps(till, Call::Charge, order, job, point).await;
    worker.shutdown().await.unwrap();
    assert!(till.bank.keys(order).iter().all(|key| *key == Some(job.to_string())), "{point:?}");
}

/// A transfer whose worker is killed: what may have happened is not repeated.
pub(crate) async fn transfer_killed_at(till: &Till, point: Point) {
    let (order, job) = kill_at(till, Call::Transfer, point).await;
    neither_click_nor_retry_helps(till, Call::Transfer, order, job, point).await;
    let calls = till.bank.keys(order).len();
    till.rescue().await;
    let ends = if point == Point::Completed { "completed" } else { "failed/ambiguous" };
    let worker = till.worker().await;
    assert_eq!(till.end(job).await, ends, "{point:?}");
    assert_eq!(till.click(Call::Transfer, order).await, Clicked { job, deduplicated: true }, "{point:?}");
    assert_eq!((till.bank.keys(order).len(), till.bank.charges(order)), (calls, point.charges()), "{point:?}");
    if point.charges() == 0 {
        // Who has looked, and knows that it did not happen, has the same job do it.
        assert_eq!(till.retry(job).await, Ok(job), "{point:?}");
        till.paid_once(order, job, &format!("{point:?}")).await;
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_worker_is_killed_at_any_point_is_made_once() {
    let till = Till::open().await;
    for point in Point::ALL {
        charge_killed_at(&till, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_whose_worker_is_killed_at_any_point_is_not_repeated() {
    let till = Till::open().await;
    for point in Point::ALL {
        transfer_killed_at(&till, point).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_cancelled_and_whose_worker_is_killed_keeps_its_key() {
    let till = Till::open().await;
    for point in [Point::Called, Point::Charged] {
        let (order, job) = kill_at(&till, Call::Charge, point).await;
        assert_eq!(till.cancel(job).await, "cancelling", "{point:?}");
        till.rescue().await;
        assert_eq!(till.state(job).await, "cancelled/cancelled", "{point:?}");
        let after = format!("a cancel, killed {point:?}");
        till.click_again(Call::Charge, order, job, Key::Kept, &after).await;
        let worker = till.worker().await;
        till.paid_once(order, job, &after).await;
        worker.shutdown().await.unwrap();
    }
}

/// The third worker that dies in a call is the last: it is over, and its key is kept for whoever tries again.
#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_kills_three_workers_keeps_its_key() {
    let till = Till::open().await;
    let order = till.order().await;
    let job = till.click(Call::Charge, order).await.job;
    till.bank.will([Act::HangBeforeCharge, Act::HangBeforeCharge, Act::ChargeThenHang]);
    for call in 1..=3 {
        let mut process = till.process();
        till.bank.called(order, call).await;
        process.kill();
        till.rescue().await;
    }
    assert_eq!(till.state(job).await, "failed/poison");
    till.click_again(Call::Charge, order, job, Key::Kept, "three crashes").await;
    let worker = till.worker().await;
    till.paid_once(order, job, "three crashes").await;
    worker.shutdown().await.unwrap();
    assert_eq!(till.bank.keys(order), vec![Some(job.to_string()); 4]);
}

/// A deployment is not a customer who cancels: what it breaks off is open, and its failure is called back.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_in_a_call_leaves_a_transfer_open_and_a_charge_to_the_next() {
    let till = Till::open().await;
    let (transferred, charged) = (till.order().await, till.order().await);
    till.bank.will([Act::ChargeThenHang; 2]);
    let transfer = till.click(Call::Transfer, transferred).await.job;
    let charge = till.click(Call::Charge, charged).await.job;
    let worker = till.worker().await;
    till.bank.called(transferred, 1).await;
    till.bank.called(charged, 1).await;
    worker.shutdown().await.unwrap();
    assert_eq!(till.end(transfer).await, "failed/ambiguous");
    assert_eq!(till.called_back(transferred).await, (0, 1));
    assert_eq!(till.click(Call::Transfer, transferred).await, Clicked { job: transfer, deduplicated: true });
    assert_eq!(till.click(Call::Charge, charged).await, Clicked { job: charge, deduplicated: true });
    let worker = till.worker().await;
    till.paid_once(charged, charge, "a stop in its call").await;
    worker.shutdown().await.unwrap();
    assert_eq!((till.bank.keys(transferred).len(), till.bank.charges(transferred)), (1, 1));
}
