//! `docs/json.md`: an HTTP API whose handlers take the inputs of actions and answer with what the actions did.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{post, put},
};
use serde_json::{Value, json};
use specql_runtime::{ActionError, Database, Mutation, testing::TestDatabase};
use specql_tests::app::repository;

use super::{Tested, actions, entities};

type Answer = Result<Json<Mutation<entities::Order>>, (StatusCode, String)>;

async fn place(State(db): State<Database>, Json(input): Json<actions::order::PlaceOrder>) -> Answer {
    actions::order::place_order(input).send(&db).await.map(Json).map_err(refusal)
}

async fn update(State(db): State<Database>, Json(input): Json<actions::order::UpdateOrder>) -> Answer {
    actions::order::update_order(input).send(&db).await.map(Json).map_err(refusal)
}

fn refusal(error: ActionError) -> (StatusCode, String) {
    match error {
        ActionError::Validation { code, .. } => (StatusCode::UNPROCESSABLE_ENTITY, code),
        ActionError::NotFound { .. } => (StatusCode::NOT_FOUND, "no such order".to_owned()),
        other => (StatusCode::CONFLICT, other.to_string()),
    }
}

fn api(db: Database) -> Router {
    Router::new().route("/orders", post(place)).route("/orders", put(update)).with_state(db)
}

/// Status and body of an answer.
async fn send(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

#[tokio::test]
async fn an_api_takes_inputs_and_answers_with_rows() -> Tested {
    let db = TestDatabase::migrated(&super::PROJECT).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/orders", listener.local_addr()?);
    let server = tokio::spawn(axum::serve(listener, api((*db).clone())).into_future());
    // reqwest is built without a provider of its own; a second installation is refused, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let post = |body: Value| send(client.post(&url).json(&body));

    let (status, body) =
        post(json!({"customer_email": "ada@example.eu", "total": 4200, "views": "9007199254740993"})).await;
    assert_eq!(status, 200, "{body}");
    let placed: Value = serde_json::from_str(&body)?;
    let row = &placed["row"];
    assert_eq!(
        (&row["total"], &row["views"], &row["currency"]),
        (&json!(4200), &json!("9007199254740993"), &json!("EUR"))
    );
    assert_eq!((&placed["id"], &placed["jobs"][0]["operation"]), (&row["id"], &json!("create_charge")));
    let answer: Mutation<entities::Order> = serde_json::from_str(&body)?;
    assert_eq!(serde_json::to_value(&answer)?, placed);

    let change = |notes: Value| send(client.put(&url).json(&json!({"id": row["id"], "notes": notes})));
    let notes = |(status, body): (u16, String)| {
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Mutation<entities::Order>>(&body).expect("an answer").row.expect("a row").notes
    };
    assert_eq!(notes(change(json!("late")).await), Some("late".to_owned()));
    assert_eq!(
        notes(send(client.put(&url).json(&json!({"id": row["id"], "total": 1}))).await),
        Some("late".to_owned())
    );
    assert_eq!(notes(change(json!(null)).await), None);

    for (name, value, expected) in [
        ("totl", json!(1), "unknown field `totl`"),
        ("total", json!("much"), "total: invalid type: string \"much\", expected i32"),
        ("total", json!(0), "total_not_positive"),
    ] {
        let mut wrong = json!({"customer_email": "ada@example.eu", "total": 4200});
        wrong[name] = value;
        let (status, body) = post(wrong).await;
        assert_eq!(status, 422, "{body}");
        assert!(body.contains(expected), "{body}");
    }
    server.abort();
    Ok(())
}

#[test]
fn the_page_shows_this_file() {
    let page = std::fs::read_to_string(repository().join("docs/json.md")).expect("the page");
    let samples: Vec<_> = page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(samples.len(), 1);
    for part in samples[0].split("\n\n") {
        assert!(include_str!("json.rs").contains(part.trim_end()), "{part}");
    }
}
