//! Subscriptions: two sellers bill their customers each month.
//!
//! It needs no key and no installed server: `cargo run -p subscriptions` starts the embedded PostgreSQL, and stand-ins for the
//! payment service and the mail service. Nothing waits for a month to end: rows are moved into the past. What each part of the
//! story says is also checked.

mod mails;
mod payments;
mod seller;
mod time;

use anyhow::{Context as _, bail, ensure};
use specql_runtime::{ActionError, Database, Worker};
use sqlx::types::Uuid;

specql_macros::specql!(); // modules: entities, services, actions, enqueue; and the static PROJECT

use actions::{customer, invoice, plan, subscription};
use entities::{InvoiceStatus, RefundStatus, SubscriptionStatus};
use mails::Mails;
use payments::Payments;
use seller::Seller;
use specql_runtime::value::Decimal;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into()))
        .init();

    let (payments, mails) = (payments::start().await?, mails::start().await?);
    println!("1. Small stand-ins listen: for the payment service at {}, for mails at {}.", payments.url, mails.url);

    let db = Database::open(&PROJECT).await?;
    db.migrate().await?;
    seller::close_all(&db).await?;
    println!("2. The database is open and migrated.");

    // The `dev` environments of these services take their addresses from here, and may speak plain HTTP.
    let worker = Worker::builder(&db)
        .environment("dev")
        .env("STRIPE_BASE_URL", &payments.url)
        .env("STRIPE_SECRET_KEY", "sk_test_stand_in")
        .env("SENDGRID_BASE_URL", &mails.url)
        .env("SENDGRID_API_KEY", "stand_in")
        .start()
        .await?;
    println!("3. A worker waits for jobs, and runs the schedule.");

    let told = story(&db, &payments, &mails).await;
    worker.shutdown().await?;
    told?;
    seller::close_all(&db).await
}

/// What happens to two sellers and three customers.
async fn story(db: &Database, payments: &Payments, mails: &Mails) -> anyhow::Result<()> {
    println!("4. Two sellers open, each with a plan:");
    let quill = Seller::open(db, "Quill", "billing@quill.example", "Europe/Berlin", "QU").await?;
    let tempo = Seller::open(db, "Tempo", "billing@tempo.example", "America/New_York", "TE").await?;
    let daily = plan::CreatePlan::builder().name("The daily paper".to_owned()).price("20.00".parse()?);
    let daily = plan::create_plan(daily.currency("EUR".parse()?).build()).tenant(quill.id).send(db).await?;
    let gym = plan::CreatePlan::builder().name("The gym".to_owned()).price("35.00".parse()?);
    let gym = plan::create_plan(gym.currency("USD".parse()?).build()).tenant(tempo.id).send(db).await?;
    let (daily, gym) = (daily.id.context("a plan has an id")?, gym.id.context("a plan has an id")?);
    println!("   Quill sells a paper for 20.00 EUR a month, Tempo a gym for 35.00 USD");

    println!("5. Three customers register, and the worker makes them known to the payment service:");
    let ada = register(db, &quill, "Ada", "ada@example.eu", "DE", payments::GOOD_CARD).await?;
    let bob = register(db, &quill, "Bob", "bob@example.eu", "FR", payments::DECLINED_CARD).await?;
    let eve = register(db, &tempo, "Eve", "eve@example.com", "US", payments::GOOD_CARD).await?;

    println!("6. They subscribe. The first month is charged at once, and one card is declined:");
    let ada_daily = subscribe(db, &quill, ada, daily).await?;
    let bob_daily = subscribe(db, &quill, bob, daily).await?;
    let eve_gym = subscribe(db, &tempo, eve, gym).await?;
    must_be(&quill, "Ada", ada_daily, SubscriptionStatus::Active, &["QU-1 of 23.80 EUR is paid"]).await?;
    must_be(&quill, "Bob", bob_daily, SubscriptionStatus::PastDue, &["QU-2 of 24.00 EUR is declined"]).await?;
    must_be(&tempo, "Eve", eve_gym, SubscriptionStatus::Active, &["TE-1 of 35.00 USD is paid"]).await?;

    println!("7. What must not happen is refused:");
    let input = subscription::Subscribe::builder().customer(ada).plan(daily).build();
    match subscription::subscribe(input).tenant(quill.id).send(db).await {
        Err(error @ ActionError::Validation { .. }) => println!("   Ada subscribes again: {error}"),
        other => bail!("Ada could subscribe again: {other:?}"),
    }
    let input = subscription::CancelSubscription::builder().id(eve_gym).build();
    match subscription::cancel_subscription(input).tenant(quill.id).send(db).await {
        Err(error @ ActionError::NotFound { .. }) => println!("   Quill cancels what Eve has at Tempo: {error}"),
        other => bail!("a seller could cancel another's subscription: {other:?}"),
    }

    println!("8. Bob gives another card, and the same invoice is charged again:");
    let input = customer::ChangeCard::builder().id(bob).card(payments::GOOD_CARD.to_owned()).build();
    customer::change_card(input).tenant(quill.id).send(db).await?;
    quill.settled().await?;
    let declined = quill.invoices(bob_daily).await?.first().context("Bob has an invoice")?.id;
    let input = invoice::ChargeInvoice::builder().id(declined).build();
    invoice::charge_invoice(input).tenant(quill.id).send(db).await?;
    quill.settled().await?;
    must_be(&quill, "Bob", bob_daily, SubscriptionStatus::Active, &["QU-2 of 24.00 EUR is paid"]).await?;

    println!("9. A month passes, and the schedule renews what is due, for each seller:");
    for seller in [&quill, &tempo] {
        time::pass(db, seller, 31).await?;
    }
    time::pass_an_hour(db).await?;
    for seller in [&quill, &tempo] {
        seller.settled().await?;
    }
    let again = ["TE-1 of 35.00 USD is paid", "TE-2 of 35.00 USD is paid"];
    must_be(&tempo, "Eve", eve_gym, SubscriptionStatus::Active, &again).await?;
    let numbers = months_are_whole(&quill, &[ada_daily, bob_daily]).await?;
    ensure!(numbers == ["QU-1", "QU-2", "QU-3", "QU-4"], "the numbers of Quill's invoices are {numbers:?}");
    println!("   Quill has issued {}", numbers.join(", "));

    println!("10. Ten days later Ada cancels, and gets back what she paid for the other days:");
    time::pass(db, &quill, 10).await?;
    let input = subscription::CancelSubscription::builder().id(ada_daily).build();
    subscription::cancel_subscription(input).tenant(quill.id).send(db).await?;
    quill.settled().await?;
    let refunded = refund_is_right(&quill, ada_daily).await?;
    println!("   Ada: cancelled, {refunded} EUR of 23.80 EUR are given back");

    println!("11. The payment service has what the sellers' invoices say, and the mails are these:");
    let quills = [invoiced(&quill, ada_daily).await?, invoiced(&quill, bob_daily).await?].iter().sum();
    for (currency, expected) in [("EUR", quills), ("USD", invoiced(&tempo, eve_gym).await?)] {
        let kept = Decimal::new(payments.kept(currency), 2);
        ensure!(kept == expected, "the payment service has {kept} {currency}, the invoices say {expected}");
        println!("   {kept} {currency} were paid and kept");
    }
    let mut all = 0;
    for (seller, to, receipts, others) in [
        (&quill, "ada@example.eu", 2, &["Refund for invoice"] as &[&str]),
        (&quill, "bob@example.eu", 2, &["could not be paid"]),
        (&tempo, "eve@example.com", 2, &[]),
    ] {
        let subjects = mails.between(seller.sender, to);
        let has = |part: &str| subjects.iter().filter(|subject| subject.contains(part)).count();
        ensure!(has("is paid") == receipts, "{to} has {subjects:?}, which should be {receipts} receipts");
        ensure!(others.iter().all(|part| has(part) == 1), "{to} has {subjects:?}, which should hold {others:?}");
        ensure!(subjects.len() == receipts + others.len(), "{to} has {subjects:?}, which is too much");
        all += subjects.len();
    }
    println!("   {all} mails: 6 receipts, a declined card, a refund");

    println!(
        "Everybody is in the state they should be in: Ada cancelled and refunded, Bob and Eve paid until next month."
    );
    Ok(())
}

/// Registers a customer. Answers its id when the payment service knows it.
async fn register(
    db: &Database,
    seller: &Seller<'_>,
    name: &str,
    email: &str,
    country: &str,
    card: &str,
) -> anyhow::Result<Uuid> {
    let input = customer::RegisterCustomer::builder().name(name.to_owned()).email(email.parse()?);
    let input = input.country(country.parse()?).card(card.to_owned()).build();
    let registered = customer::register_customer(input).tenant(seller.id).send(db).await?;
    seller.settled().await?;
    registered.id.context("a customer has an id")
}

/// Subscribes to a plan. Answers the subscription when its first payment has ended, in one way or the other.
async fn subscribe(db: &Database, seller: &Seller<'_>, customer: Uuid, plan: Uuid) -> anyhow::Result<Uuid> {
    let input = subscription::Subscribe::builder().customer(customer).plan(plan).build();
    let subscribed = subscription::subscribe(input).tenant(seller.id).send(db).await?;
    seller.settled().await?;
    subscribed.id.context("a subscription has an id")
}

/// Tells what a subscription and its invoices are, and fails if they are anything else.
async fn must_be(
    seller: &Seller<'_>,
    who: &str,
    subscription: Uuid,
    status: SubscriptionStatus,
    invoices: &[&str],
) -> anyhow::Result<()> {
    let found = seller.subscription(subscription).await?.status;
    let rows = seller.invoices(subscription).await?;
    let words = rows.iter().map(|row| format!("{} of {} {} is {}", row.number, row.total, row.currency, row.status));
    let words: Vec<_> = words.collect();
    println!("   {who}: {found}, {}", words.join(", "));
    ensure!(found == status && words == invoices, "{who} should be {status}, {}", invoices.join(", "));
    Ok(())
}

/// Each subscription is active, and has two paid months, one behind the other. Answers the numbers of the invoices.
async fn months_are_whole(seller: &Seller<'_>, subscriptions: &[Uuid]) -> anyhow::Result<Vec<String>> {
    let mut numbers = Vec::new();
    for id in subscriptions {
        let (subscription, invoices) = (seller.subscription(*id).await?, seller.invoices(*id).await?);
        ensure!(subscription.status == SubscriptionStatus::Active, "{id} is {}", subscription.status);
        ensure!(invoices.iter().all(|invoice| invoice.status == InvoiceStatus::Paid), "not all are paid: {invoices:?}");
        let [first, second] = invoices.as_slice() else { bail!("two invoices were expected: {invoices:?}") };
        ensure!(second.begins_on == first.ends_on, "there is a gap between {first:?} and {second:?}");
        ensure!(subscription.paid_until == Some(second.ends_on), "{subscription:?} is not paid until the end");
        numbers.extend(invoices.into_iter().map(|invoice| invoice.number));
    }
    numbers.sort();
    Ok(numbers)
}

/// A subscription was cancelled, and the days that are left of its last month were given back. Answers how much.
async fn refund_is_right(seller: &Seller<'_>, subscription: Uuid) -> anyhow::Result<Decimal> {
    let cancelled = seller.subscription(subscription).await?;
    ensure!(cancelled.status == SubscriptionStatus::Cancelled, "it is {}", cancelled.status);
    let day = cancelled.ends_on.context("what is cancelled has its day")?;
    let invoice = seller.invoices(subscription).await?.pop().context("there is a last invoice")?;
    let [left, whole] = [day, invoice.begins_on].map(|from| Decimal::from((invoice.ends_on - from).num_days()));
    let refunds = seller.refunds(invoice.id).await?;
    let [refund] = refunds.as_slice() else { bail!("one refund was expected: {refunds:?}") };
    ensure!(refund.status == RefundStatus::Done, "the refund is {}", refund.status);
    // It was rounded to a cent.
    let expected = invoice.total * left / whole;
    let difference = (expected - refund.amount).abs();
    ensure!(difference <= Decimal::new(5, 3), "{} was given back of {expected}", refund.amount);
    ensure!(invoice.refunded == refund.amount && refund.amount < invoice.total, "{invoice:?} has {refund:?}");
    Ok(refund.amount)
}

/// What the invoices of a subscription say was paid and not given back.
async fn invoiced(seller: &Seller<'_>, subscription: Uuid) -> anyhow::Result<Decimal> {
    let invoices = seller.invoices(subscription).await?;
    Ok(invoices.iter().map(|invoice| invoice.total - invoice.refunded).sum())
}
