//! What the overview shows: an action, and a call straight from Rust.

use specql_runtime::Database;

specql_macros::specql!(".");

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let db = Database::open(&PROJECT).await?;
    db.migrate().await?;
    let placed = actions::order::place_order(
        actions::order::PlaceOrder::builder().customer_email("a@b.eu".parse()?).total(4200).build(),
    )
    .send(&db)
    .await?;
    let order: Option<entities::Order> = placed.row;
    assert_eq!(order.and_then(|order| order.payment_status), Some(entities::OrderPaymentStatus::Unpaid));

    let mut tx = db.begin().await?;
    let job = enqueue::stripe::create_charge(services::stripe::CreateChargeInput::builder().amount(4200).build())
        .correlation_id("order-17")
        .send(&mut tx)
        .await?;
    tx.commit().await?;
    let charge: services::stripe::CreateChargeOutput = job.outcome(&db).await?;
    println!("{}", charge.id);
    Ok(())
}

fn main() {
    // The futures can be spawned: nothing in them is tied to a thread.
    fn spawnable<F: Future + Send>(_: F) {}
    spawnable(async { run().await.map_err(|error| error.to_string()) });
}
