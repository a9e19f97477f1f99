//! A stand-in for Stripe, small enough to read: it knows one call, and honours `Idempotency-Key` as Stripe does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router, extract::State, http::HeaderMap, http::StatusCode, response::IntoResponse, routing::post,
};
use serde_json::{Value, json};

/// An amount that this service declines.
pub(crate) const DECLINED: i32 = 66_600;
/// An amount for which this service is out of order twice before it works.
pub(crate) const TROUBLED: i32 = 50_300;

/// What happened under each idempotency key.
#[derive(Default)]
struct Ledger {
    calls: HashMap<String, u32>,
    charges: HashMap<String, Value>,
}

/// Starts the service on a free port; its URL.
pub(crate) async fn start() -> anyhow::Result<String> {
    let routes = Router::new().route("/v1/charges", post(charge)).with_state(Arc::<Mutex<Ledger>>::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

async fn charge(
    State(ledger): State<Arc<Mutex<Ledger>>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> impl IntoResponse {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let amount: i32 = form.get("amount").and_then(|amount| amount.parse().ok()).unwrap_or_default();
    let Ok(mut ledger) = ledger.lock() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": {"message": "the ledger is lost"}})));
    };
    let calls = ledger.calls.entry(key.clone()).or_default();
    *calls += 1;
    let call = *calls;
    println!("   [payments] call {call} for {}: {}", cents(amount), verdict(amount, call));
    match (amount, call) {
        (DECLINED, _) => {
            let error = json!({"type": "card_error", "code": "card_declined", "message": "Your card was declined."});
            (StatusCode::PAYMENT_REQUIRED, Json(json!({"error": error})))
        }
        (TROUBLED, 1 | 2) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": {"message": "Try again in a moment."}})))
        }
        _ => {
            let number = ledger.charges.len() + 1;
            let currency = form.get("currency").cloned().unwrap_or_default();
            let charge = ledger.charges.entry(key).or_insert_with(|| {
                json!({"id": format!("ch_{number:04}"), "object": "charge", "amount": amount, "currency": currency,
                       "status": "succeeded", "paid": true, "captured": true})
            });
            (StatusCode::OK, Json(charge.clone()))
        }
    }
}

fn verdict(amount: i32, call: u32) -> &'static str {
    match (amount, call) {
        (DECLINED, _) => "402, card declined",
        (TROUBLED, 1 | 2) => "503, out of order",
        _ => "200, charged",
    }
}

/// `42.00` of 4200.
pub(crate) fn cents(amount: i32) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}
