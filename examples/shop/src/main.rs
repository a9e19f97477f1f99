//! A shop: an order is placed, the worker charges it, the callback marks it paid.
//!
//! It needs no key and no installed server: `cargo run -p shop` starts the embedded PostgreSQL and a stand-in for the payment
//! service. `--stripe-url https://api.stripe.com` with `STRIPE_SECRET_KEY` points it at the real one.

mod payments;

use anyhow::{Context as _, ensure};
use clap::Parser;
use specql_runtime::{Database, Job, OutcomeError, Worker};
use sqlx::types::{Json, Uuid};

specql_macros::specql!(); // modules: entities, services, actions, enqueue; and the static PROJECT

use actions::order::PlaceOrder;
use entities::{Order, OrderPaymentStatus};
use services::stripe::CreateCharge;

/// Places three orders and tells what becomes of them.
#[derive(Parser)]
struct Arguments {
    /// The payment service; without it, a stand-in of our own is started.
    #[arg(long)]
    stripe_url: Option<String>,
    /// Its secret key.
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true, default_value = "sk_test_stand_in")]
    stripe_key: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into()))
        .init();

    let stand_in = arguments.stripe_url.is_none();
    let stripe_url = match arguments.stripe_url {
        Some(url) => url,
        None => {
            let url = payments::start().await?;
            println!("1. No --stripe-url given: a small stand-in for the payment service listens at {url}.");
            url
        }
    };

    let db = Database::open(&PROJECT).await?;
    db.migrate().await?;
    println!("2. The database is open and migrated.");

    let mut worker =
        Worker::builder(&db).env("STRIPE_SECRET_KEY", arguments.stripe_key).env("STRIPE_DEFAULT_SOURCE", "tok_visa");
    if stripe_url != "https://api.stripe.com" {
        // The registry's `dev` environment of stripe takes its address from here, and may speak plain HTTP.
        worker = worker.environment("dev").env("STRIPE_BASE_URL", stripe_url);
    }
    let worker = worker.start().await?;
    println!("3. A worker waits for jobs.");

    println!("4. Three orders are placed; each queues its charge in its own transaction:");
    let orders = [
        ("ada@example.eu", 4_200, "an ordinary one"),
        ("bob@example.eu", payments::DECLINED, "a card that is declined"),
        ("eve@example.eu", payments::TROUBLED, "a payment service in trouble"),
    ];
    let mut placed = Vec::new();
    for (email, total, what) in orders {
        let input = PlaceOrder::builder().customer_email(email.parse()?).total(total).build();
        let order = actions::order::place_order(input).send(&db).await?;
        let id = order.id.context("a new order has an id")?;
        let job = order.jobs.first().context("an order queues its charge")?.job_id;
        println!("   order {id} over {} for {email} ({what}), job {job}", payments::cents(total));
        placed.push((id, job));
    }

    println!("5. The worker calls the payment service; the callback of each call writes the order:");
    let mut states = Vec::new();
    for (order, job) in placed {
        match Job::<CreateCharge>::from_id(job).outcome(&db).await {
            Ok(charge) => println!("   job {job}: charge {} {}", charge.id, charge.status),
            Err(OutcomeError::Failed(failure)) => println!("   job {job}: {failure}"),
            Err(error) => return Err(error.into()),
        }
        let order = read(&db, order).await?;
        let status = order.payment_status.context("an order has a payment status")?;
        println!("   order {}: {status}, charge {}", order.id, order.charge_id.as_deref().unwrap_or("-"));
        states.push((status, job));
    }

    println!("6. The jobs, as `jobs.v_job_run` shows them:");
    let attempts = print_jobs(&db, &states.iter().map(|state| state.1).collect::<Vec<_>>()).await?;
    worker.shutdown().await?;

    if stand_in {
        let states: Vec<_> = states.into_iter().map(|state| state.0).collect();
        let expected = [OrderPaymentStatus::Paid, OrderPaymentStatus::Failed, OrderPaymentStatus::Paid];
        ensure!(states == expected, "the orders ended as {states:?}, expected {expected:?}");
        ensure!(attempts == [1, 1, 3], "the jobs took {attempts:?} attempts, expected [1, 1, 3]");
        println!("All three orders are in the state they should be in: paid, failed, paid.");
    }
    Ok(())
}

/// An order as it is now.
async fn read(db: &Database, id: Uuid) -> anyhow::Result<Order> {
    let Json(order) =
        sqlx::query_scalar("SELECT data FROM sales.v_order WHERE id = $1").bind(id).fetch_one(db.pool()).await?;
    Ok(order)
}

/// Service, operation, status, attempts, failure class and message of a job.
type JobRow = (String, String, String, i32, Option<String>, Option<String>);

/// Prints these jobs; the attempts of each.
async fn print_jobs(db: &Database, jobs: &[Uuid]) -> anyhow::Result<Vec<i32>> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "SELECT service_name, operation, status, attempts, failure_class, error_message
         FROM jobs.v_job_run WHERE id = ANY ($1) ORDER BY array_position($1, id)",
    )
    .bind(jobs)
    .fetch_all(db.pool())
    .await?;
    println!("   {:<8} {:<14} {:<10} {:>8}  failure", "service", "operation", "status", "attempts");
    for (service, operation, status, attempts, class, message) in &rows {
        let failure = match (class, message) {
            (Some(class), Some(message)) => format!("{class}: {message}"),
            _ => "-".to_owned(),
        };
        println!("   {service:<8} {operation:<14} {status:<10} {attempts:>8}  {failure}");
    }
    Ok(rows.into_iter().map(|row| row.3).collect())
}
