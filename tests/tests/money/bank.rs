//! The far side: a bank that knows an `Idempotency-Key` as Stripe does, and counts what it charges.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};
use specql_tests::process::eventually;
use uuid::Uuid;

/// What the bank does with the next call. Without one it charges and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Charges nothing, answers this, and does not remember it: the call was not carried out.
    Refuse(u16),
    /// Charges nothing, and says so again to the same key.
    Decline,
    /// Charges, and a gateway in front of it answers this.
    ChargeThenSay(u16),
    ChargeThenDrop,
    DropBeforeCharge,
    ChargeThenHang,
    HangBeforeCharge,
    ChargeThenGarbage,
}

impl Act {
    const fn charges(self) -> bool {
        matches!(self, Self::ChargeThenSay(_) | Self::ChargeThenDrop | Self::ChargeThenHang | Self::ChargeThenGarbage)
    }
}

/// A call that came in, or a charge: its key and the order that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    order: Uuid,
    key: Option<String>,
}

#[derive(Debug, Default)]
struct Ledger {
    calls: Vec<Entry>,
    charges: Vec<Entry>,
    /// The first answer to each key.
    answers: HashMap<String, (StatusCode, Value)>,
    script: VecDeque<Act>,
}

impl Ledger {
    /// Charges, unless this key was answered before; the answer.
    fn charge(&mut self, entry: Entry) -> (StatusCode, Value) {
        if let Some(answer) = entry.key.as_ref().and_then(|key| self.answers.get(key)) {
            return answer.clone();
        }
        let answer = (StatusCode::OK, json!({"id": format!("ch_{}", self.charges.len())}));
        self.remember(&entry, &answer);
        self.charges.push(entry);
        answer
    }

    fn remember(&mut self, entry: &Entry, answer: &(StatusCode, Value)) {
        if let Some(key) = &entry.key {
            self.answers.insert(key.clone(), answer.clone());
        }
    }
}

/// A bank of one test's own.
#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) url: String,
    ledger: Arc<Mutex<Ledger>>,
    server: tokio::task::JoinHandle<()>,
}

impl Bank {
    pub(crate) async fn open() -> Self {
        let ledger = Arc::<Mutex<Ledger>>::default();
        let app = Router::new().route("/charges", post(answer)).with_state(ledger.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, ledger, server }
    }

    /// What it does with the calls to come, one each.
    pub(crate) fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.ledger.lock().unwrap().script.extend(acts);
    }

    /// Charges, as a call of this job would have it do.
    pub(crate) fn charge(&self, order: Uuid, job: Uuid) {
        let entry = Entry { order, key: Some(job.to_string()) };
        let mut ledger = self.ledger.lock().unwrap();
        ledger.calls.push(entry.clone());
        ledger.charge(entry);
    }

    /// How often it has charged for this order.
    pub(crate) fn charges(&self, order: Uuid) -> usize {
        self.ledger.lock().unwrap().charges.iter().filter(|charge| charge.order == order).count()
    }

    /// The keys of the calls for this order.
    pub(crate) fn keys(&self, order: Uuid) -> Vec<Option<String>> {
        let ledger = self.ledger.lock().unwrap();
        ledger.calls.iter().filter(|call| call.order == order).map(|call| call.key.clone()).collect()
    }

    /// Waits until it has been called so often for this order.
    pub(crate) async fn called(&self, order: Uuid, times: usize) {
        eventually("the bank is called", async || self.keys(order).len() >= times).await;
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(ledger): State<Arc<Mutex<Ledger>>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let order = body["order"].as_str().unwrap().parse().unwrap();
    let (act, answer) = {
        let mut ledger = ledger.lock().unwrap();
        let entry = Entry { order, key };
        ledger.calls.push(entry.clone());
        let act = ledger.script.pop_front();
        let answer = match act {
            Some(Act::Refuse(status)) => {
                (StatusCode::from_u16(status).unwrap(), json!({"error": {"message": "not carried out"}}))
            }
            Some(Act::Decline) => {
                let answer = (StatusCode::PAYMENT_REQUIRED, json!({"error": {"message": "declined"}}));
                ledger.remember(&entry, &answer);
                answer
            }
            Some(act) if !act.charges() => (StatusCode::OK, Value::Null),
            _ => ledger.charge(entry),
        };
        (act, answer)
    };
    match act {
        Some(Act::ChargeThenDrop | Act::DropBeforeCharge) => {
            // Ends the connection's task, without the message of a panic.
            std::panic::resume_unwind(Box::new("the bank drops the connection"))
        }
        Some(Act::ChargeThenHang | Act::HangBeforeCharge) => std::future::pending().await,
        Some(Act::ChargeThenGarbage) => (StatusCode::OK, "<html>").into_response(),
        Some(Act::ChargeThenSay(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        _ => (answer.0, Json(answer.1)).into_response(),
    }
}
