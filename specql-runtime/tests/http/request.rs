//! What the HTTP runner sends.

use crate::support::{Call, Received, ok, server};
use serde_json::json;

/// The request that a call makes.
async fn request(change: impl FnOnce(Call) -> Call, input: serde_json::Value) -> Received {
    let (address, mut received) = server(ok("{}")).await;
    change(Call::at(address)).run(input).await.unwrap();
    received.recv().await.unwrap()
}

#[tokio::test]
async fn the_input_is_the_json_body() {
    let request = request(|call| call, json!({"amount": 4200, "who": {"name": "Ü \"x\""}, "gone": null})).await;
    assert_eq!(request.line(), "POST /v1/things HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.json(), json!({"amount": 4200, "who": {"name": "Ü \"x\""}}));
}

#[tokio::test]
async fn a_form_body_nests_in_brackets() {
    let form = |call: Call| call.operation("body", json!("form"));
    let request = request(form, json!({"amount": 1, "meta": {"a b": ["x&y", "z"]}})).await;
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body, "amount=1&meta%5Ba+b%5D%5B0%5D=x%26y&meta%5Ba+b%5D%5B1%5D=z");
}

#[tokio::test]
async fn ht_04_a_path_slot_is_encoded_and_left_out_of_the_body() {
    let path = json!({"path": [{"text": "/v1/customers/"}, {"field": "customer"}, {"text": "/charges"}]});
    let request = request(|call| call.operation("target", path), json!({"customer": "a/b?c#d %2f", "amount": 1})).await;
    assert_eq!(request.line(), "POST /v1/customers/a%2Fb%3Fc%23d%20%252f/charges HTTP/1.1");
    assert_eq!(request.json(), json!({"amount": 1}));
}

#[tokio::test]
async fn a_get_carries_its_input_in_the_query() {
    let get = |call: Call| {
        call.operation("method", json!("GET"))
            .operation("query", json!({"expand": [{"field": "expand"}], "q": [{"text": "id:"}, {"field": "none"}]}))
    };
    let request = request(get, json!({"limit": 5, "expand": ["a", "b&c"], "none": null})).await;
    assert_eq!(request.line(), "GET /v1/things?expand%5B0%5D=a&expand%5B1%5D=b%26c&limit=5 HTTP/1.1");
    assert_eq!(request.body, "");
    assert_eq!(request.header("content-type"), None);
}

#[tokio::test]
async fn a_body_template_decides_the_body() {
    let template = json!({"object": {
        "to": {"array": [{"object": {"email": {"field": "to"}}}]},
        "from": {"setting": {"env": {"name": "FROM", "default": null}}},
        "reply": {"object": {"email": {"field": "reply"}}},
        "n": {"constant": 1},
    }});
    let change = |call: Call| call.operation("body_template", template).env("FROM", "shop@example.eu");
    let request = request(change, json!({"to": "a@b.eu", "reply": null})).await;
    assert_eq!(request.json(), json!({"to": [{"email": "a@b.eu"}], "from": "shop@example.eu", "n": 1}));
}

#[tokio::test]
async fn credentials_go_where_the_service_says() {
    let env = |name: &str| json!({"env": {"name": name, "default": null}});
    let bearer = json!({"type": "bearer", "token": env("KEY")});
    let sent = request(|call| call.http("auth", bearer).env("KEY", "sk_test_1"), json!({})).await;
    assert_eq!(sent.header("authorization"), Some("Bearer sk_test_1"));

    let basic = json!({"type": "basic", "username": {"literal": "ada"}, "password": env("KEY")});
    let sent = request(|call| call.http("auth", basic).env("KEY", "lovelace"), json!({})).await;
    assert_eq!(sent.header("authorization"), Some("Basic YWRhOmxvdmVsYWNl"));

    let key = json!({"type": "api_key", "place": "query", "name": "key", "value": env("KEY")});
    let sent = request(|call| call.http("auth", key).env("KEY", "a&b"), json!({})).await;
    assert_eq!(sent.line(), "POST /v1/things?key=a%26b HTTP/1.1");

    let key = json!({"type": "api_key", "place": "header", "name": "X-Api-Key", "value": env("KEY")});
    let sent = request(|call| call.http("auth", key).env("KEY", "abc"), json!({})).await;
    assert_eq!(sent.header("x-api-key"), Some("abc"));
}

#[tokio::test]
async fn ht_08_the_idempotency_key_is_the_jobs_id_in_every_attempt() {
    let (address, mut received) = server(ok("{}")).await;
    let mut call = Call::at(address).operation("idempotency_header", json!("Idempotency-Key"));
    call.run(json!({})).await.unwrap();
    call.run(json!({})).await.unwrap();
    call.id = uuid::Uuid::from_u128(8);
    call.run(json!({})).await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(received.recv().await.unwrap().header("idempotency-key").unwrap().to_owned());
    }
    assert_eq!(keys[0], uuid::Uuid::from_u128(7).to_string());
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[0], keys[2]);
}

#[tokio::test]
async fn a_webhook_to_a_named_target_is_signed() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let (address, mut received) = server(ok("{}")).await;
    let target = json!({"crm": {
        "url": {"literal": format!("http://{address}/hook")},
        "secret": {"env": {"name": "HOOK", "default": null}},
    }});
    let call = Call::at(address)
        .http("targets", target)
        .operation("target", json!({"target": "target"}))
        .env("HOOK", &format!("whsec_{}", STANDARD.encode([7; 32])));
    call.run(json!({"target": "crm", "event": "paid"})).await.unwrap();

    let request = received.recv().await.unwrap();
    assert_eq!(request.line(), "POST /hook HTTP/1.1");
    assert_eq!(request.json(), json!({"event": "paid"}));
    let id = request.header("webhook-id").unwrap();
    let timestamp = request.header("webhook-timestamp").unwrap();
    assert_eq!(id, call.id.to_string());
    // HMAC by its definition (RFC 2104), not by the crate that the runner uses.
    let signed = format!("{id}.{timestamp}.{}", request.body);
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&[7; 32], signed.as_bytes())));
    assert_eq!(request.header("webhook-signature"), Some(expected.as_str()));

    let failure = call.run(json!({"target": "nobody"})).await.unwrap_err();
    assert_eq!(failure.message, "input `target`: no target `nobody`; there is `crm`");
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};

    let pad = |with: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

#[tokio::test]
async fn ht_10_a_proxy_of_the_environment_is_not_used() {
    // Nothing listens there: a request through it would fail. Only a child process can have its own environment.
    if std::env::var("HTTP_PROXY").is_ok() {
        request(|call| call, json!({})).await;
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "request::ht_10_a_proxy_of_the_environment_is_not_used"])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, "http://127.0.0.1:1")))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[tokio::test]
async fn a_post_without_a_body_says_its_length() {
    let request = request(|call| call.operation("body", json!("none")), json!({"a": 1})).await;
    assert_eq!(request.line(), "POST /v1/things?a=1 HTTP/1.1");
    assert_eq!(request.header("content-length"), Some("0"));
}

#[tokio::test]
async fn a_default_from_the_environment_fills_a_path_and_is_encoded_there() {
    let path = json!({"path": [{"text": "/v1/accounts/"}, {"field": "account"}]});
    let default = json!({"setting": {"env": {"name": "ACCOUNT", "default": null}}});
    let (address, mut received) = server(ok("{}")).await;
    let call = |account: &str| {
        let mut call = Call::at(address).operation("target", path.clone()).env("ACCOUNT", account);
        call.defaults.insert("account".into(), default.clone());
        call
    };
    call("a/b").run(json!({})).await.unwrap();
    assert_eq!(received.recv().await.unwrap().line(), "POST /v1/accounts/a%2Fb HTTP/1.1");
    let failure = call("..").run(json!({})).await.unwrap_err();
    assert!(failure.message.contains("`account`"), "{failure}");
}
