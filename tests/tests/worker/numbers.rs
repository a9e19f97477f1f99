//! Numbers keep their digits: from the row to the wire, and from the answer to the row.

use axum::{Router, body::Bytes, extract::State, http::header::CONTENT_TYPE, routing::post};
use indexmap::IndexMap;
use serde_json::json;
use specql_registry::{
    Basic, Operation as Declared, Schema, SchemaField, ValueType,
    scalars::Scalar,
    service::{Call, Configuration},
};
use tokio::sync::mpsc;

use crate::project::{Queue, operation, registry_of};

fn fields<const N: usize>(fields: [(&str, ValueType); N]) -> Schema {
    let field = |ty| SchemaField { ty, required: false, default: None, description: None };
    Schema { fields: fields.into_iter().map(|(name, ty)| (name.to_owned(), field(ty))).collect::<IndexMap<_, _>>() }
}

fn transfer(encoding: &str) -> Declared {
    let call = json!({"http": {
        "method": "POST", "target": {"path": [{"text": "/transfers"}]}, "query": {}, "headers": {}, "body": encoding,
        "body_template": null, "idempotency_header": null, "success": [], "retry_on": null, "output": null,
    }});
    let call: Call = serde_json::from_value(call).unwrap();
    let money = || ValueType::Scalar(Scalar::from_name("money").unwrap());
    let json = || ValueType::Basic(Basic::Json);
    Declared {
        input: fields([("amount", money()), ("limit", money()), ("note", json())]),
        output: fields([("balance", ValueType::Decimal(None)), ("fee", money()), ("raw", json())]),
        call,
        ..operation(encoding, false)
    }
}

const ANSWER: &str =
    r#"{"balance": 12345678901234567.89, "fee": 9.999e1, "raw": {"seen": [123456789012345.6789, 1.50]}}"#;

async fn answer(State(bodies): State<mpsc::UnboundedSender<String>>, body: Bytes) -> impl axum::response::IntoResponse {
    bodies.send(String::from_utf8(body.to_vec()).unwrap()).unwrap();
    ([(CONTENT_TYPE, "application/json")], ANSWER)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_digit_is_lost_between_a_row_a_request_and_an_answer() {
    let (bodies, mut received) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/transfers", post(answer)).with_state(bodies);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let http: Configuration = serde_json::from_value(json!({"http": {
        "base_url": {"literal": format!("http://{address}")}, "auth": null, "headers": {}, "body": "json",
        "max_response_bytes": 1_000_000, "plaintext": true, "targets": {},
        "policy": {"allowed_hosts": [], "allow_private_network": true, "allow_any_public_host": false},
    }}))
    .unwrap();
    let queue = Queue::with(&registry_of([transfer("json"), transfer("form")], http)).await;
    let worker = queue.worker().start().await.unwrap();

    let input = r#"{"note": {"deep": [123456789012345.6789, 0.10]}, "limit": 999999999999999.9999, "amount": 99999999999999.99}"#;
    for (operation, expected) in [
        (
            "json",
            r#"{"amount":"99999999999999.99","limit":"999999999999999.9999","note":{"deep":[123456789012345.6789,0.10]}}"#,
        ),
        (
            "form",
            "amount=99999999999999.99&limit=999999999999999.9999&note%5Bdeep%5D%5B0%5D=123456789012345.6789&note%5Bdeep%5D%5B1%5D=0.10",
        ),
    ] {
        let id = sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('work', $1, $2::text::jsonb)")
            .bind(operation)
            .bind(input)
            .fetch_one(queue.database().pool())
            .await
            .unwrap();
        let outcome = queue.outcome(id).await;
        assert_eq!(outcome.status, "completed", "{outcome:?}");
        assert_eq!(received.recv().await.as_deref(), Some(expected));
        let output: String = sqlx::query_scalar("SELECT output_data::text FROM jobs.v_job_run WHERE id = $1")
            .bind(id)
            .fetch_one(queue.database().pool())
            .await
            .unwrap();
        let expected =
            r#"{"fee": "99.99", "raw": {"seen": [123456789012345.6789, 1.50]}, "balance": "12345678901234567.89"}"#;
        assert_eq!(output, expected);
    }
    worker.shutdown().await.unwrap();
}
