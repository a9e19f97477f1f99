//! A stand-in for the service that is called, so that the first run needs nothing. Delete it when you call a real one.

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

/// Starts it on a free port; its URL.
pub async fn start() -> anyhow::Result<String> {
    let greet = async |Json(input): Json<Value>| Json(json!({"text": format!("Hello, {}!", input["name"].as_str().unwrap_or("you"))}));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/greetings", post(greet))).await });
    Ok(url)
}
