//! The main job against real payment stand-ins: an order is placed, charged and marked paid.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::process::Command;

use specql_runtime::{Job, OutcomeError, Worker, testing::TestDatabase};
use specql_tests::{
    payments::{KEY, Stripe},
    process::{Process, eventually},
};
use sqlx::types::{Json, Uuid};

specql_macros::specql!("../../examples/shop");

use actions::order::PlaceOrder;
use entities::{Order, OrderPaymentStatus};
use services::stripe::CreateCharge;

/// Places an order; its id and the id of its charge's job.
async fn place(db: &TestDatabase, total: i32) -> (Uuid, Uuid) {
    let input = PlaceOrder::builder().customer_email("ada@example.eu".parse().unwrap()).total(total).build();
    let placed = actions::order::place_order(input).send(db.database()).await.unwrap();
    (placed.id.unwrap(), placed.jobs[0].job_id)
}

async fn order(db: &TestDatabase, id: Uuid) -> Order {
    let Json(order) =
        sqlx::query_scalar("SELECT data FROM sales.v_order WHERE id = $1").bind(id).fetch_one(db.pool()).await.unwrap();
    order
}

async fn worker(db: &TestDatabase, stripe: &Stripe, source: &str) -> Worker {
    Worker::builder(db.database())
        .environment("dev")
        .env("STRIPE_BASE_URL", &stripe.url)
        .env("STRIPE_SECRET_KEY", KEY)
        .env("STRIPE_DEFAULT_SOURCE", source)
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn an_order_is_charged_by_localstripe_and_marked_paid() {
    let db = TestDatabase::migrated(&PROJECT).await.unwrap();
    let stripe = Stripe::localstripe();
    let source = stripe.payment_method("4242424242424242").await;
    let worker = worker(&db, &stripe, &source).await;

    let (id, job) = place(&db, 4200).await;
    let charge = Job::<CreateCharge>::from_id(job).outcome(db.database()).await.unwrap();

    let order = order(&db, id).await;
    assert_eq!(order.payment_status, Some(OrderPaymentStatus::Paid));
    assert_eq!(order.charge_id.as_deref(), Some(charge.id.as_str()));
    let charges = stripe.charges().await;
    assert_eq!(charges.len(), 1, "{charges:?}");
    assert_eq!(charges[0]["id"], charge.id.as_str());
    assert_eq!(charges[0]["amount"], 4200);
    worker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_declined_card_marks_the_order_failed_after_one_attempt() {
    let db = TestDatabase::migrated(&PROJECT).await.unwrap();
    let stripe = Stripe::stateful_mock();
    let worker = worker(&db, &stripe, "tok_chargeDeclined").await;

    let (id, job) = place(&db, 4200).await;
    let Err(OutcomeError::Failed(failure)) = Job::<CreateCharge>::from_id(job).outcome(db.database()).await else {
        panic!("the charge must fail");
    };

    assert_eq!(failure.attempts, 1);
    assert!(failure.message.contains("Your card was declined"), "{}", failure.message);
    assert!(!failure.message.contains(KEY));
    assert_eq!(order(&db, id).await.payment_status, Some(OrderPaymentStatus::Failed));
    worker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_worker_killed_between_answer_and_completion_charges_once() {
    let db = TestDatabase::migrated(&PROJECT).await.unwrap();
    let stripe = Stripe::stateful_mock();
    let (id, job) = place(&db, 4200).await;

    // Nobody can write an outcome while this lock is held: the first worker gets its answer and hangs in its completion.
    let mut lock = db.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE jobs.tb_job_outcome IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let mut first = Process::start(
        Command::new(env!("CARGO_BIN_EXE_shop-worker"))
            .env("DATABASE_URL", db.url())
            .env("STRIPE_BASE_URL", &stripe.url)
            .env("STRIPE_SECRET_KEY", KEY)
            .env("STRIPE_DEFAULT_SOURCE", "tok_visa"),
    );
    let completing = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%jobs.complete%'";
    eventually("the first worker completes", async || {
        let waiting: Vec<i32> = sqlx::query_scalar(completing).fetch_all(db.pool()).await.unwrap();
        !waiting.is_empty()
    })
    .await;
    assert_eq!(stripe.charges().await.len(), 1);
    first.kill();
    // The machine is gone, and its connections with it.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY ($1)";
    let waiting: Vec<i32> = sqlx::query_scalar(completing).fetch_all(db.pool()).await.unwrap();
    sqlx::query(end).bind(waiting).execute(db.pool()).await.unwrap();
    lock.rollback().await.unwrap();

    let second = worker(&db, &stripe, "tok_visa").await;
    let charge = Job::<CreateCharge>::from_id(job).outcome(db.database()).await.unwrap();

    let charges = stripe.charges().await;
    assert_eq!(charges.len(), 1, "charged more than once: {charges:?}");
    assert_eq!(charges[0]["id"], charge.id.as_str());
    let order = order(&db, id).await;
    assert_eq!(order.payment_status, Some(OrderPaymentStatus::Paid));
    assert_eq!(order.charge_id.as_deref(), Some(charge.id.as_str()));
    second.shutdown().await.unwrap();
}
