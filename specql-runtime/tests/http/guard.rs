//! Where the HTTP runner refuses to go: nothing may even connect.

use std::time::Duration;

use serde_json::{Value, json};
use specql_registry::FailureClass;
use tokio::net::TcpListener;

use crate::support::{Call, ok, server};

/// A signed webhook to a URL that the input gives.
fn webhook() -> Call {
    Call::to("https://unused.example")
        .operation("target", json!({"url": "url"}))
        .http("signing_secret", json!({"literal": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}))
        .policy("allow_any_public_host", json!(true))
        .policy("allow_private_network", json!(false))
}

#[tokio::test]
async fn ht_01_own_addresses_are_refused_before_a_connection_is_made() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0",
        "localhost",
        "LOCALHOST.",
        "[::ffff:127.0.0.1]",
    ] {
        let base = format!("http://{host}:{port}");
        let failure = Call::to(base).policy("allow_private_network", json!(false)).run(json!({})).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::PolicyDenied, "{host}: {failure}");
    }
    let connected = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(connected.is_err(), "something connected");
}

#[tokio::test]
async fn ht_01_metadata_is_refused_even_where_the_own_network_is_allowed() {
    for host in ["169.254.169.254", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]"] {
        let failure = Call::to(format_args!("http://{host}")).run(json!({})).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::PolicyDenied, "{host}");
        assert!(failure.message.contains("cloud metadata"), "{failure}");
    }
}

#[tokio::test]
async fn ht_04_a_url_from_an_input_passes_every_check_or_none() {
    for (url, class) in [
        ("https://good.example@127.0.0.1/", FailureClass::InvalidInput),
        ("https://good.example\\@127.0.0.1/", FailureClass::InvalidInput),
        ("https://good.example#@127.0.0.1/", FailureClass::InvalidInput),
        ("https://good.example/\r\nHost: x", FailureClass::InvalidInput),
        ("//127.0.0.1/", FailureClass::InvalidInput),
        ("https://127.0.0.1/", FailureClass::PolicyDenied),
        ("https://good.example:22/", FailureClass::PolicyDenied),
        ("file:///etc/passwd", FailureClass::PolicyDenied),
    ] {
        let failure = webhook().run(json!({"url": url})).await.unwrap_err();
        assert_eq!(failure.class, class, "{url}: {failure}");
    }
}

#[tokio::test]
async fn a_url_from_an_input_is_called_signed_and_without_itself_in_the_body() {
    let (address, mut received) = server(ok("{}")).await;
    let call = webhook().policy("allow_private_network", json!(true));
    call.run(json!({"url": format!("http://{address}/hook?a=b"), "event": "paid"})).await.unwrap();
    let request = received.recv().await.unwrap();
    assert_eq!(request.line(), "POST /hook?a=b HTTP/1.1");
    assert_eq!(request.json(), json!({"event": "paid"}));
    assert!(request.header("webhook-signature").unwrap().starts_with("v1,"));

    let unsigned = webhook().http("signing_secret", Value::Null);
    let failure = unsigned.run(json!({"url": "https://good.example/"})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::PolicyDenied);
}

#[tokio::test]
async fn plain_text_is_refused_unless_the_service_allows_it() {
    let failure = Call::to("http://api.example").http("plaintext", json!(false)).run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::PolicyDenied);
    assert!(failure.message.contains("`plaintext: true`"), "{failure}");
}

#[tokio::test]
async fn ht_05_an_input_cannot_inject_or_take_over_headers() {
    let (address, mut received) = server(ok("{}")).await;
    let with = |name: &str| Call::at(address).operation("headers", json!({name: [{"field": "note"}]}));
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\u{0}b", "ü"] {
        let failure = with("X-Note").run(json!({"note": value})).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidInput, "{value:?}");
    }
    for name in
        ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Proxy-Foo", "Authorization", "Idempotency-Key"]
    {
        let failure = with(name).run(json!({"note": "x"})).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::PolicyDenied, "{name}");
    }
    assert!(received.try_recv().is_err());
    with("X-Note").run(json!({"note": "x"})).await.unwrap();
    assert_eq!(received.recv().await.unwrap().header("x-note"), Some("x"));
}

#[tokio::test]
async fn ht_04_a_path_slot_that_climbs_is_refused() {
    let (address, mut received) = server(ok("{}")).await;
    for (slots, input) in [
        (json!([{"text": "/v1/"}, {"field": "a"}]), json!({"a": "../admin"})),
        (json!([{"text": "/v1/"}, {"field": "a"}]), json!({"a": "%2e%2e"})),
        (json!([{"text": "/v1/"}, {"field": "a"}, {"text": "."}]), json!({"a": "."})),
        (json!([{"text": "/v1/."}, {"field": "a"}, {"text": "/x"}]), json!({"a": "."})),
        (json!([{"text": "/v1/"}, {"field": "a"}, {"text": "/x"}]), json!({"a": ""})),
    ] {
        let failure = Call::at(address).operation("target", json!({"path": slots})).run(input).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::InvalidInput, "{failure}");
    }
    assert!(received.try_recv().is_err());
}
