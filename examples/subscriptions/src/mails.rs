//! A stand-in for SendGrid: it accepts mails and keeps them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::Value;

/// The running service.
pub(crate) struct Mails {
    /// Where it listens.
    pub(crate) url: String,
    sent: Shared,
}

type Shared = Arc<Mutex<Vec<Mail>>>;

/// A mail that was accepted.
struct Mail {
    from: String,
    to: String,
    subject: String,
}

/// Starts the service on a free port.
pub(crate) async fn start() -> anyhow::Result<Mails> {
    let sent = Shared::default();
    let routes = Router::new().route("/v3/mail/send", post(send)).with_state(Arc::clone(&sent));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(Mails { url, sent })
}

async fn send(State(sent): State<Shared>, Json(body): Json<Value>) -> (StatusCode, [(&'static str, String); 1]) {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mail =
        Mail { from: text("/from/email"), to: text("/personalizations/0/to/0/email"), subject: text("/subject") };
    println!("   [mails] from {} to {}: {}", mail.from, mail.to, mail.subject);
    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    sent.push(mail);
    (StatusCode::ACCEPTED, [("x-message-id", format!("mail_{:04}", sent.len()))])
}

impl Mails {
    /// The subjects of what `from` has sent to `to`, in order.
    pub(crate) fn between(&self, from: &str, to: &str) -> Vec<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = sent.iter().filter(|mail| mail.from == from && mail.to == to);
        ours.map(|mail| mail.subject.clone()).collect()
    }
}
