//! What the HTTP runner makes of a good answer.

use std::io::Write;

use serde_json::{Value, json};
use specql_registry::FailureClass;
use specql_runtime::runner::{Failure, Success};

use crate::support::{Call, field, ok, response, server};

async fn run(answer: impl AsRef<[u8]> + Clone + Send + Sync + 'static, output: Value) -> Result<Success, Failure> {
    let (address, _received) = server(answer).await;
    Call::at(address).run_with(json!({}), json!({"fields": output})).await
}

#[tokio::test]
async fn the_declared_fields_are_taken_by_name() {
    let success =
        run(ok(r#"{"id": "ch_1", "paid": true, "more": [1]}"#), json!({"id": field("text"), "paid": field("boolean")}));
    assert_eq!(success.await.unwrap().output, json!({"id": "ch_1", "paid": true}));
}

#[tokio::test]
async fn a_mapping_reaches_into_body_headers_and_status() {
    let (address, _received) =
        server(response("202 Accepted", "X-Message-Id: m1\r\n", r#"{"data": [{"id": "x"}]}"#)).await;
    let mapping = json!({
        "id": {"body": [{"key": "data"}, {"index": 0}, {"key": "id"}]},
        "message": {"header": "x-message-id"},
        "status": "status",
        "all": {"body": []},
    });
    let output = json!({"fields": {
        "id": field("text"), "message": field("text"), "status": field("integer"), "all": field("json"),
    }});
    let success = Call::at(address).operation("output", mapping).run_with(json!({}), output).await.unwrap();
    let all = json!({"data": [{"id": "x"}]});
    assert_eq!(success.output, json!({"id": "x", "message": "m1", "status": 202, "all": all}));
}

#[tokio::test]
async fn an_empty_answer_is_an_empty_object() {
    for answer in ["HTTP/1.1 204 No Content\r\n\r\n".to_owned(), response("200 OK", "", "")] {
        assert_eq!(run(answer, json!({"id": field("text")})).await.unwrap().output, json!({}));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_may_be_anything() {
    assert_eq!(
        run(response("200 OK", "Content-Type: text/plain\r\n", "ok"), json!({})).await.unwrap().output,
        json!({})
    );
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_a_lost_result() {
    let required = json!({"ty": {"basic": "text"}, "required": true, "default": null, "description": null});
    for (body, why) in [
        (r#"{"id": 5}"#, "output_schema: $.id: expected text, got 5"),
        (r#"{"name": "x"}"#, "output_schema: $.id: required, expected text"),
        ("<html>Welcome</html>", "it is not JSON: expected value at line 1 column 1; it begins `<html>Welcome</html>`"),
    ] {
        let failure = run(ok(body), json!({"id": required})).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::EffectResultLost);
        assert_eq!(failure.message, format!("`things` answered 200, but the answer is unusable: {why}"));
    }
}

#[tokio::test]
async fn ht_06_a_nul_in_the_answer_never_reaches_the_database() {
    let success = run(ok(r#"{"id": "a\u0000b"}"#), json!({"id": field("text")})).await.unwrap();
    assert_eq!(success.output, json!({"id": "a\u{fffd}b"}));
}

#[tokio::test]
async fn a_compressed_answer_is_decoded() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(br#"{"id": "packed"}"#).unwrap();
    let body = encoder.finish().unwrap();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    assert_eq!(run(answer, json!({"id": field("text")})).await.unwrap().output, json!({"id": "packed"}));
}

#[tokio::test]
async fn success_is_what_the_operation_says() {
    let (address, _received) = server(response("409 Conflict", "", r#"{"id": "there already"}"#)).await;
    let success = Call::at(address).operation("success", json!([201, 409])).run(json!({})).await.unwrap();
    assert_eq!(success.output, json!({"id": "there already"}));
    let (address, _received) = server(ok("{}")).await;
    let failure = Call::at(address).operation("success", json!([201])).run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Ambiguous);
}

#[tokio::test]
async fn ht_11_credentials_that_the_far_side_echoes_are_masked() {
    let bearer = json!({"type": "bearer", "token": {"env": {"name": "KEY", "default": null}}});
    let secret = "sk_live_\"4eC39/HqLy\"";
    let echo = json!({"id": format!("you sent Bearer {secret}")}).to_string();
    for answer in
        [ok(&echo), response("401 Unauthorized", "", &json!({"message": format!("bad key {secret}")}).to_string())]
    {
        let (address, _received) = server(answer).await;
        let call = Call::at(address).http("auth", bearer.clone()).env("KEY", secret);
        let text = match call.run(json!({})).await {
            Ok(success) => success.output.to_string(),
            Err(failure) => failure.message,
        };
        assert!(text.contains("***") && !text.contains("4eC39"), "{text}");
    }
}

#[tokio::test]
async fn ht_12_cookies_are_not_kept() {
    let (address, mut received) = server(response("200 OK", "Set-Cookie: session=1\r\n", "{}")).await;
    let call = Call::at(address);
    for _ in 0..2 {
        call.run(json!({})).await.unwrap();
        assert_eq!(received.recv().await.unwrap().header("cookie"), None);
    }
}

#[tokio::test]
async fn the_use_of_a_call_is_measured() {
    let (address, _received) = server(ok(r#"{"id": "x"}"#)).await;
    let usage = Call::at(address).run(json!({"a": 1})).await.unwrap().usage;
    assert_eq!(usage["status"], 200);
    assert_eq!(usage["bytes_out"], 7);
    assert_eq!(usage["bytes_in"], 11);
    assert_eq!(usage["remote_addr"], address.to_string());
    for key in ["ttfb_ms", "total_ms", "duration_seconds"] {
        assert!(usage[key].as_f64().is_some_and(|measured| measured > 0.0), "{key}");
    }
}
