//! A stand-in for Stripe, small enough to read: customers, their cards, payments and refunds, and `Idempotency-Key` as Stripe honours it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Form, Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};

/// A card that is charged, by the name that it has in Stripe's test mode.
pub(crate) const GOOD_CARD: &str = "pm_card_visa";
/// A card that a customer may have, but that is declined when it is charged.
pub(crate) const DECLINED_CARD: &str = "pm_card_chargeCustomerFail";

/// The running service.
pub(crate) struct Payments {
    /// Where it listens.
    pub(crate) url: String,
    ledger: Shared,
}

type Shared = Arc<Mutex<Ledger>>;
type Fields = HashMap<String, String>;
type Answer = (StatusCode, Json<Value>);

#[derive(Default)]
struct Ledger {
    /// What was answered to each idempotency key, and is answered again.
    answers: HashMap<String, (StatusCode, Value)>,
    /// The customers' names.
    customers: HashMap<String, String>,
    payments: Vec<Payment>,
    refunds: usize,
}

struct Payment {
    id: String,
    currency: String,
    amount: i64,
    refunded: i64,
}

/// Starts the service on a free port.
pub(crate) async fn start() -> anyhow::Result<Payments> {
    let ledger = Shared::default();
    let routes = Router::new()
        .route("/v1/customers", post(customer))
        .route("/v1/payment_methods/{card}/attach", post(attach))
        .route("/v1/payment_intents", post(pay))
        .route("/v1/refunds", post(refund))
        .with_state(Arc::clone(&ledger));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(Payments { url, ledger })
}

impl Payments {
    /// What it has received in a currency and not given back, in the smallest unit.
    pub(crate) fn kept(&self, currency: &str) -> i64 {
        let ledger = lock(&self.ledger);
        let payments = ledger.payments.iter().filter(|payment| payment.currency == currency);
        payments.map(|payment| payment.amount - payment.refunded).sum()
    }
}

async fn customer(State(ledger): State<Shared>, headers: HeaderMap, Form(fields): Form<Fields>) -> Answer {
    once(&ledger, &headers, |ledger| ledger.customer(&fields))
}

async fn attach(
    State(ledger): State<Shared>,
    Path(card): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Answer {
    once(&ledger, &headers, |ledger| ledger.attach(&card, &fields))
}

async fn pay(State(ledger): State<Shared>, headers: HeaderMap, Form(fields): Form<Fields>) -> Answer {
    once(&ledger, &headers, |ledger| ledger.pay(&fields))
}

async fn refund(State(ledger): State<Shared>, headers: HeaderMap, Form(fields): Form<Fields>) -> Answer {
    once(&ledger, &headers, |ledger| ledger.refund(&fields))
}

/// Does what is asked, unless it was done under the same key.
fn once(ledger: &Shared, headers: &HeaderMap, act: impl FnOnce(&mut Ledger) -> (StatusCode, Value)) -> Answer {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        let (status, answer) = refused(StatusCode::BAD_REQUEST, "key_missing", "There is no Idempotency-Key.");
        return (status, Json(answer));
    };
    let mut ledger = lock(ledger);
    let known = ledger.answers.get(key).cloned();
    let (status, answer) = known.unwrap_or_else(|| act(&mut ledger));
    ledger.answers.insert(key.to_owned(), (status, answer.clone()));
    (status, Json(answer))
}

fn lock(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    (status, json!({"error": {"code": code, "message": message}}))
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

fn amount(fields: &Fields) -> i64 {
    text(fields, "amount").parse().unwrap_or_default()
}

/// `42.00` of 4200.
fn major(amount: i64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}

impl Ledger {
    fn customer(&mut self, fields: &Fields) -> (StatusCode, Value) {
        let id = format!("cus_{:04}", self.customers.len() + 1);
        let name = text(fields, "name");
        println!("   [payments] {name} is {id}");
        self.customers.insert(id.clone(), name.to_owned());
        (StatusCode::OK, json!({"id": id, "object": "customer", "email": text(fields, "email"), "name": name}))
    }

    fn attach(&mut self, card: &str, fields: &Fields) -> (StatusCode, Value) {
        let customer = text(fields, "customer");
        let Some(name) = self.customers.get(customer) else {
            return refused(StatusCode::NOT_FOUND, "resource_missing", "No such customer.");
        };
        println!("   [payments] {name} may pay with {card}");
        (StatusCode::OK, json!({"id": card, "object": "payment_method", "type": "card", "customer": customer}))
    }

    fn pay(&mut self, fields: &Fields) -> (StatusCode, Value) {
        let (amount, currency) = (amount(fields), text(fields, "currency"));
        let (customer, card) = (text(fields, "customer"), text(fields, "payment_method"));
        let Some(name) = self.customers.get(customer) else {
            return refused(StatusCode::NOT_FOUND, "resource_missing", "No such customer.");
        };
        let declined = card == DECLINED_CARD;
        let verdict = if declined { "declined" } else { "paid" };
        println!("   [payments] {} of {name}, {} {currency}: {verdict}", text(fields, "description"), major(amount));
        if declined {
            return refused(StatusCode::PAYMENT_REQUIRED, "card_declined", "Your card was declined.");
        }
        let id = format!("pi_{:04}", self.payments.len() + 1);
        self.payments.push(Payment { id: id.clone(), currency: currency.to_owned(), amount, refunded: 0 });
        let answer = json!({"id": id, "object": "payment_intent", "status": "succeeded", "amount": amount, "currency": currency,
            "customer": customer, "payment_method": card});
        (StatusCode::OK, answer)
    }

    fn refund(&mut self, fields: &Fields) -> (StatusCode, Value) {
        let (amount, id) = (amount(fields), text(fields, "payment_intent"));
        let Some(payment) = self.payments.iter_mut().find(|payment| payment.id == id) else {
            return refused(StatusCode::NOT_FOUND, "resource_missing", "No such payment.");
        };
        if payment.refunded + amount > payment.amount {
            return refused(StatusCode::BAD_REQUEST, "amount_too_large", "That is more than was paid.");
        }
        payment.refunded += amount;
        self.refunds += 1;
        println!("   [payments] {} {} of {id} are given back", major(amount), payment.currency);
        let answer = json!({"id": format!("re_{:04}", self.refunds), "object": "refund", "status": "succeeded", "amount": amount,
            "currency": payment.currency, "payment_intent": id});
        (StatusCode::OK, answer)
    }
}
