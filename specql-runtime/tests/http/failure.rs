//! What kind of failure each ending is.

use std::time::{Duration, Instant};

use serde_json::json;
use specql_registry::{FailureClass, failure::Health};
use specql_runtime::runner::Failure;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::support::{Call, fault, ok, response, server};

async fn answered(answer: String) -> Failure {
    let (address, _received) = server(answer).await;
    Call::at(address).run(json!({})).await.unwrap_err()
}

#[tokio::test]
async fn a_refused_connection_has_started_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = Call::at(address).run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotStarted, "{failure}");
    assert!(failure.message.contains("127.0.0.1"), "{failure}");
    assert!(failure.message.to_lowercase().contains("refused"), "{failure}");
}

#[tokio::test]
async fn an_unknown_name_has_started_nothing() {
    let failure = Call::to("http://nobody.invalid").run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotStarted, "{failure}");
}

#[tokio::test]
async fn ht_07_a_failed_tls_handshake_has_started_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(response("400 Bad Request", "", "plain HTTP on a TLS port").as_bytes()).await;
        }
    });
    let failure = Call::to(format_args!("https://{address}")).run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NotStarted, "{failure}");
}

#[tokio::test]
async fn silence_after_the_request_is_ambiguous_at_the_deadline() {
    let address = fault(|socket| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(socket);
    })
    .await;
    let started = Instant::now();
    let failure = Call::at(address).timeout(Duration::from_millis(300)).run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Ambiguous);
    assert_eq!(failure.message, "no answer from `127.0.0.1` within 0.3 s");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_ambiguous() {
    let closed = fault(|socket| async move { drop(socket) }).await;
    let reset = fault(|socket| async move {
        // Closing with unread or unsent data and no linger sends RST.
        socket.set_zero_linger().unwrap();
        drop(socket);
    })
    .await;
    for address in [closed, reset] {
        let failure = Call::at(address).run(json!({})).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Ambiguous, "{failure}");
    }
}

#[tokio::test]
async fn ht_08_a_request_whose_connection_breaks_is_sent_once() {
    let (counter, count) =
        (std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0)), std::sync::atomic::Ordering::SeqCst);
    let seen = std::sync::Arc::clone(&counter);
    let address = fault(move |socket| {
        seen.fetch_add(1, count);
        async move { drop(socket) }
    })
    .await;
    Call::at(address).run(json!({})).await.unwrap_err();
    assert_eq!(counter.load(count), 1);
}

#[tokio::test]
async fn statuses_have_their_classes_and_the_far_sides_words() {
    let declined = r#"{"error": {"message": "Your card was declined.", "code": "card_declined"}}"#;
    let failure = answered(response("402 Payment Required", "", declined)).await;
    assert_eq!(failure.class, FailureClass::PermanentReported);
    assert_eq!(failure.message, "`things` answered 402 Payment Required: Your card was declined. (card_declined)");
    assert_eq!(failure.retry, None);
    assert_eq!(failure.usage["status"], 402);

    for (status, class) in [
        ("400 Bad Request", FailureClass::PermanentReported),
        // The operation of these tests is not idempotent, and a gateway may have spoken.
        ("408 Request Timeout", FailureClass::Ambiguous),
        ("425 Too Early", FailureClass::TransientReported),
        ("429 Too Many Requests", FailureClass::RateLimited),
        ("500 Internal Server Error", FailureClass::Ambiguous),
        ("502 Bad Gateway", FailureClass::Ambiguous),
        ("503 Service Unavailable", FailureClass::Ambiguous),
        ("504 Gateway Timeout", FailureClass::Ambiguous),
    ] {
        let failure = answered(response(status, "", "<h1>no</h1>")).await;
        assert_eq!((failure.class, failure.message), (class, format!("`things` answered {status}: no")));
    }
}

/// What a key that is given back and a fallback rest upon.
#[tokio::test]
async fn a_4xx_proves_that_nothing_happened_and_no_other_status_does_unless_it_is_listed() {
    for (status, listed, class, no_effect) in [
        ("400 Bad Request", json!([]), FailureClass::PermanentReported, true),
        ("402 Payment Required", json!([]), FailureClass::PermanentReported, true),
        ("429 Too Many Requests", json!([]), FailureClass::RateLimited, true),
        // A gateway may have waited long enough, and what redirects may have done its work.
        ("408 Request Timeout", json!([]), FailureClass::Ambiguous, false),
        ("425 Too Early", json!([]), FailureClass::TransientReported, false),
        ("303 See Other", json!([]), FailureClass::PermanentReported, false),
        ("303 See Other", json!([303]), FailureClass::PermanentReported, true),
        ("500 Internal Server Error", json!([303]), FailureClass::Ambiguous, false),
        ("500 Internal Server Error", json!([500]), FailureClass::PermanentReported, true),
        ("425 Too Early", json!([425]), FailureClass::TransientReported, true),
    ] {
        let (address, _received) = server(response(status, "", "")).await;
        let failure = Call::at(address).operation("no_effect_codes", listed).run(json!({})).await.unwrap_err();
        assert_eq!((failure.class, failure.no_effect), (class, no_effect), "{status}");
    }
}

#[tokio::test]
async fn a_service_that_says_when_to_come_again_has_enough_and_is_not_away() {
    let later = "Retry-After: 7\r\n";
    for (status, header, idempotent, class, no_effect, health) in [
        ("429 Too Many Requests", "", false, FailureClass::RateLimited, true, Health::Well),
        ("503 Service Unavailable", later, true, FailureClass::RateLimited, false, Health::Unknown),
        ("503 Service Unavailable", "", true, FailureClass::TransientReported, false, Health::Unwell),
        // It may be a gateway's.
        ("503 Service Unavailable", later, false, FailureClass::Ambiguous, false, Health::Unwell),
    ] {
        let (address, _received) = server(response(status, header, "")).await;
        let call = Call::at(address);
        let call = if idempotent { call.idempotent() } else { call };
        let failure = call.run(json!({})).await.unwrap_err();
        let seen = (failure.class, failure.no_effect, failure.health);
        assert_eq!(seen, (class, no_effect, health), "{status} {header}");
    }
}

#[tokio::test]
async fn ht_08_retry_after_is_passed_on() {
    let failure = answered(response("429 Too Many Requests", "Retry-After: 7\r\n", "")).await;
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    let failure = answered(response("503 Service Unavailable", "Retry-After: garbage\r\n", "")).await;
    assert_eq!(failure.retry_after, None);
}

#[tokio::test]
async fn retry_on_decides_instead_of_the_class_but_never_repeats_what_may_have_happened() {
    for (status, listed, retry) in [
        ("404 Not Found", json!([404]), Some(true)),
        ("429 Too Many Requests", json!([404]), Some(false)),
        ("503 Service Unavailable", json!([503]), Some(true)),
        // The operation of these tests is not idempotent.
        ("500 Internal Server Error", json!([500]), Some(false)),
    ] {
        let (address, _received) = server(response(status, "", "")).await;
        let failure = Call::at(address).operation("retry_on", listed).run(json!({})).await.unwrap_err();
        assert_eq!(failure.retry, retry, "{status}");
    }
}

#[tokio::test]
async fn ht_03_a_redirect_is_not_followed() {
    let (elsewhere, mut received) = server(ok("{}")).await;
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let location = format!("Location: http://{elsewhere}/token=abc\r\n");
        let failure = answered(response(status, &location, "")).await;
        assert_eq!(failure.class, FailureClass::PermanentReported);
        assert!(failure.message.ends_with("redirect_not_allowed (to `127.0.0.1`)"), "{failure}");
    }
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_cancelled_call_ends_at_once_and_leaves_its_outcome_open() {
    let address = fault(|socket| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(socket);
    })
    .await;
    let call = Call::at(address);
    let cancel = call.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
    });
    let started = Instant::now();
    let failure = call.run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Ambiguous);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_call_without_its_credential_is_not_started_and_says_nothing_of_the_service() {
    let (address, mut received) = server(ok("{}")).await;
    let auth = json!({"type": "bearer", "token": {"env": {"name": "SPECQL_NO_SUCH", "default": null}}});
    let failure = Call::at(address).http("auth", auth).run(json!({})).await.unwrap_err();
    let seen = (failure.class, failure.no_effect, failure.health);
    assert_eq!(seen, (FailureClass::NotStarted, true, Health::Unknown));
    assert_eq!(failure.message, "auth `token`: environment variable `SPECQL_NO_SUCH` is not set");
    assert!(received.try_recv().is_err());
}
