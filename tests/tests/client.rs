//! What generated code sends to a real database, and what it makes of the answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use specql_registry::FailureClass;
use specql_runtime::{
    ActionError, Database, Job, Mutation, OutcomeError,
    client::{Enqueue, EnqueueError, Operation},
    testing::TestDatabase,
    value::Uuid,
};

#[path = "client/json.rs"]
mod json;

specql_macros::specql!("client");

use services::stripe::CreateCharge;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn charge(amount: i32) -> services::stripe::CreateChargeInput {
    services::stripe::CreateChargeInput::builder().amount(amount).build()
}

fn order(total: i32) -> actions::order::PlaceOrder {
    let email = "ada@example.eu".parse().expect("an address");
    actions::order::PlaceOrder::builder().customer_email(email).total(total).build()
}

/// One column of one job.
async fn column<T>(db: &Database, job: Uuid, column: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    let statement = format!("SELECT {column} FROM jobs.v_job_run WHERE id = $1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(job).fetch_one(db.pool()).await.expect("the job")
}

async fn count(db: &Database, relation: &'static str) -> i64 {
    let statement = format!("SELECT count(*) FROM {relation}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(db.pool()).await.expect("a relation")
}

/// Finishes every waiting job as a worker of any language would.
async fn work(db: &Database, output: serde_json::Value) -> Tested {
    let worker = Uuid::new_v4();
    sqlx::query("SELECT jobs.register_worker($1, 'test', '0', '{}')").bind(worker).execute(db.pool()).await?;
    let codes: Vec<i32> = sqlx::query_scalar("SELECT code FROM jobs.tb_operation").fetch_all(db.pool()).await?;
    sqlx::query(
        "WITH claimed AS (SELECT * FROM jobs.claim($1, $2, 100))
         SELECT jobs.complete($1, array_agg(pk_job_run), array_agg(epoch), array_agg($3::jsonb), array_agg('{}'::jsonb))
         FROM claimed",
    )
    .bind(worker)
    .bind(codes)
    .bind(output)
    .execute(db.pool())
    .await?;
    Ok(())
}

#[tokio::test]
async fn an_action_and_its_job_exist_only_if_the_callers_transaction_commits() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let mut tx = db.begin().await?;
    actions::order::place_order(order(4200)).send(&mut tx).await?;
    tx.rollback().await?;
    assert_eq!((count(&db, "sales.tb_order").await, count(&db, "jobs.v_job_run").await), (0, 0));

    let mut tx = db.begin().await?;
    let placed: Mutation<entities::Order> = actions::order::place_order(order(4200)).send(&mut tx).await?;
    tx.commit().await?;
    let row = placed.row.as_ref().expect("the row");
    assert_eq!((placed.id, row.total), (Some(row.id), 4200));
    assert_eq!(row.payment_status, Some(entities::OrderPaymentStatus::Unpaid));
    assert_eq!((row.currency.as_ref().map(AsRef::as_ref), row.views), (Some("EUR"), Some(0)));
    let job = placed.job::<CreateCharge>().expect("the queued charge");
    assert_eq!(column::<serde_json::Value>(&db, job.id, "input_data").await["amount"], 4200);
    Ok(())
}

#[tokio::test]
async fn a_validate_step_is_a_typed_error() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let refused = actions::order::place_order(order(0)).send(&*db).await;
    match refused {
        Err(ActionError::Validation { code, message }) => {
            assert_eq!(code, "total_not_positive");
            assert_eq!(message.as_deref(), Some("An order costs something"));
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn a_partial_update_writes_what_is_set_and_empties_what_is_set_to_none() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let placed = actions::order::PlaceOrder::builder()
        .customer_email("ada@example.eu".parse()?)
        .total(1)
        .views(9_007_199_254_740_993)
        .price("19.99".parse()?)
        .notes("late")
        .build();
    let id = actions::order::place_order(placed).send(&*db).await?.id.expect("an id");

    let update = actions::order::UpdateOrder::builder().id(id).total(2).build();
    let row = actions::order::update_order(update).send(&*db).await?.row.expect("the row");
    assert_eq!((row.total, row.notes.as_deref(), row.views), (2, Some("late"), Some(9_007_199_254_740_993)));
    assert_eq!(row.price, Some("19.99".parse()?));

    let update = actions::order::UpdateOrder::builder().id(id).notes(None).build();
    let row = actions::order::update_order(update).send(&*db).await?.row.expect("the row");
    assert_eq!((row.total, row.notes), (2, None));

    let missing = actions::order::UpdateOrder::builder().id(Uuid::nil()).build();
    assert!(matches!(actions::order::update_order(missing).send(&*db).await, Err(ActionError::NotFound { .. })));
    Ok(())
}

#[tokio::test]
async fn what_a_call_says_besides_its_input_is_recorded() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let (tenant, user) = (Uuid::new_v4(), Uuid::new_v4());
    let job = enqueue::stripe::create_charge(charge(1))
        .correlation_id("order-17")
        .idempotency_key("k")
        .priority(3)
        .timeout(Duration::from_millis(1500))
        .max_attempts(7)
        .tenant(tenant)
        .user(user)
        .delay(Duration::from_secs(3600))
        .send(&*db)
        .await?;
    assert_eq!(column::<String>(&db, job.id, "correlation_id").await, "order-17");
    assert_eq!(column::<String>(&db, job.id, "idempotency_key").await, "k");
    assert_eq!(column::<i32>(&db, job.id, "priority").await, 3);
    assert_eq!(column::<i32>(&db, job.id, "timeout_seconds").await, 2);
    assert_eq!(column::<i32>(&db, job.id, "max_attempts").await, 7);
    assert_eq!(column::<Uuid>(&db, job.id, "tenant_id").await, tenant);
    assert_eq!(column::<Uuid>(&db, job.id, "triggered_by").await, user);
    assert!(column::<bool>(&db, job.id, "run_at > now() + interval '59 minutes'").await);
    Ok(())
}

#[tokio::test]
async fn a_second_call_with_the_same_key_is_the_same_job() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let first = enqueue::stripe::create_charge(charge(1)).idempotency_key("k").send(&*db).await?;
    let second = enqueue::stripe::create_charge(charge(1)).idempotency_key("k").send(&*db).await?;
    let other = enqueue::stripe::create_charge(charge(1)).send(&*db).await?;
    assert!(!first.deduplicated && second.deduplicated && !other.deduplicated);
    assert_eq!(first.id, second.id);
    assert_ne!(first.id, other.id);
    Ok(())
}

#[tokio::test]
async fn many_jobs_come_back_in_the_order_of_their_inputs() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let jobs = enqueue::stripe::create_charge_many((0..500).map(charge).collect())
        .correlation_ids((0..500).map(|n| format!("order-{n}")))
        .send(&*db)
        .await?;
    assert_eq!(jobs.len(), 500);
    for (n, job) in jobs.iter().enumerate().step_by(83) {
        assert_eq!(column::<String>(&db, job.id, "correlation_id").await, format!("order-{n}"));
        assert_eq!(column::<serde_json::Value>(&db, job.id, "input_data").await["amount"], n);
    }
    assert!(enqueue::stripe::create_charge_many(Vec::new()).send(&*db).await?.is_empty());
    let uneven = enqueue::stripe::create_charge_many(vec![charge(1)]).idempotency_keys(["a", "b"]).send(&*db).await;
    assert!(matches!(uneven, Err(EnqueueError::Lengths { inputs: 1, given: 2, .. })));
    Ok(())
}

#[tokio::test]
async fn an_outcome_is_typed_output_or_failure_and_unknown_before_the_commit() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let mut tx = db.begin().await?;
    let job = enqueue::stripe::create_charge(charge(1)).send(&mut tx).await?;
    assert!(matches!(job.outcome(&db).await, Err(OutcomeError::Unknown(id)) if id == job.id));
    tx.commit().await?;

    // Giving up waiting changes nothing.
    assert!(tokio::time::timeout(Duration::from_millis(50), job.outcome(&db)).await.is_err());
    work(&db, serde_json::json!({"id": "ch_1", "status": "succeeded", "amount": 1, "currency": "usd"})).await?;
    assert_eq!(Job::<CreateCharge>::from_id(job.id).outcome(&db).await?.id, "ch_1");

    let job = enqueue::stripe::create_charge(charge(1)).send(&*db).await?;
    sqlx::query("SELECT jobs.cancel($1)").bind(job.id).execute(db.pool()).await?;
    match job.outcome(&db).await {
        Err(OutcomeError::Failed(failure)) => assert_eq!(failure.class, FailureClass::Cancelled),
        other => panic!("{other:?}"),
    }
    Ok(())
}

/// The due job of `pay_order`, once it is queued.
async fn due(db: &Database) -> Job<CreateCharge> {
    for _ in 0..1000 {
        let job = sqlx::query_scalar("SELECT id FROM jobs.v_job_run WHERE status = 'pending' AND run_at IS NULL");
        if let Some(id) = job.fetch_optional(db.pool()).await.expect("the jobs") {
            return Job::from_id(id);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no job was queued");
}

fn paid_order(total: i32) -> actions::order::PayOrder {
    let email = "ada@example.eu".parse().expect("an address");
    actions::order::PayOrder::builder().customer_email(email).total(total).build()
}

#[tokio::test]
async fn an_action_with_async_false_answers_when_that_job_and_its_callback_are_done() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let ends = [
        (
            "SELECT jobs.complete_job_successfully($1, '{\"id\": \"ch_1\", \"status\": \"succeeded\", \"amount\": 1, \"currency\": \"usd\"}')",
            "paid",
        ),
        ("SELECT jobs.fail_job($1, 'card declined')", "failed"),
    ];
    for (end, status) in ends {
        let pool = db.pool().clone();
        let sent = tokio::spawn(async move { actions::order::pay_order(paid_order(4200)).send(&pool).await });
        let job = due(&db).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!sent.is_finished(), "it answered before its job was done");

        sqlx::query("SELECT jobs.mark_job_started($1)").bind(job.id).execute(db.pool()).await?;
        sqlx::query(end).bind(job.id).execute(db.pool()).await?;
        let placed = tokio::time::timeout(Duration::from_secs(30), sent).await???;
        assert_eq!(placed.job::<CreateCharge>().map(|job| job.id), Some(job.id));
        let stored: String = sqlx::query_scalar("SELECT payment_status FROM sales.tb_order WHERE id = $1")
            .bind(placed.id)
            .fetch_one(db.pool())
            .await?;
        assert_eq!((stored.as_str(), job.outcome(&db).await.is_ok()), (status, status == "paid"));
        // The other call of the same operation does not have `async: false`.
        assert_eq!(column::<String>(&db, placed.jobs[1].job_id, "status").await, "pending");
    }
    Ok(())
}

/// An outage may last a day; who waits is told that the job is there, and may ask for its outcome later.
#[tokio::test]
async fn an_action_with_async_false_answers_when_its_calls_timeout_is_over() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let input = actions::order::HurryOrder::builder().customer_email("ada@example.eu".parse()?).total(4200).build();
    let began = std::time::Instant::now();
    let placed = tokio::time::timeout(Duration::from_secs(30), actions::order::hurry_order(input).send(&*db)).await??;
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let job = placed.job::<CreateCharge>().expect("it is queued");
    assert_eq!(column::<String>(&db, job.id, "status").await, "pending");
    let own: i32 = sqlx::query_scalar("SELECT give_up_seconds FROM jobs.tb_job_run").fetch_one(db.pool()).await?;
    assert_eq!(own, 7_200);
    Ok(())
}

#[tokio::test]
async fn inside_the_callers_transaction_an_action_with_async_false_answers_at_once() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let mut tx = db.begin().await?;
    let call = actions::order::pay_order(paid_order(4200)).send(&mut tx);
    let placed = tokio::time::timeout(Duration::from_secs(30), call).await??;
    tx.commit().await?;
    assert_eq!(column::<String>(&db, placed.jobs[0].job_id, "status").await, "pending");
    Ok(())
}

#[tokio::test]
async fn an_operation_that_the_database_does_not_know_is_named() -> Tested {
    #[derive(Debug)]
    struct Refund;
    #[derive(Debug, Serialize, Deserialize)]
    struct Nothing {}
    impl Operation for Refund {
        const SERVICE: &'static str = "pay";
        const OPERATION: &'static str = "refund";
        type Input = Nothing;
        type Output = Nothing;
    }
    let db = TestDatabase::migrated(&PROJECT).await?;
    let error = Enqueue::<Refund>::new(Nothing {}).send(&*db).await.unwrap_err();
    assert!(error.to_string().contains("does not know the operation `pay.refund`"), "{error}");
    Ok(())
}

/// Until a condition holds.
async fn until(db: &Database, condition: &'static str) {
    for _ in 0..1000 {
        if sqlx::query_scalar(condition).fetch_one(db.pool()).await.expect("a condition") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {condition}");
}

const LISTENS: &str =
    "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'specql wait'";

#[tokio::test]
async fn who_waits_is_told_over_one_connection_for_all_and_looks_for_himself_where_it_is_lost() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let (database, job) = (Database::clone(&db), enqueue::stripe::create_charge(charge(1)).send(&*db).await?);
        waiting.push(tokio::spawn(async move { job.outcome(&database).await }));
    }
    until(&db, "SELECT count(*) = 3 FROM jobs.tb_job_waiter").await;
    until(&db, LISTENS).await;
    let answer = serde_json::json!({"id": "ch_1", "status": "succeeded", "amount": 1, "currency": "usd"});
    work(&db, answer.clone()).await?;
    for job in waiting {
        assert_eq!(tokio::time::timeout(Duration::from_secs(30), job).await???.id, "ch_1");
    }
    assert_eq!(count(&db, "jobs.tb_job_waiter").await, 0, "announced");

    let (database, job) = (Database::clone(&db), enqueue::stripe::create_charge(charge(1)).send(&*db).await?);
    let waiting = tokio::spawn(async move { job.outcome(&database).await });
    until(&db, "SELECT count(*) = 1 FROM jobs.tb_job_waiter").await;
    until(&db, LISTENS).await;
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'specql wait'")
        .execute(db.pool())
        .await?;
    sqlx::query("DELETE FROM jobs.tb_job_waiter").execute(db.pool()).await?;
    work(&db, answer).await?;
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), waiting).await???.id, "ch_1");
    Ok(())
}
