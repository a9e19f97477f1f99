//! Servers that try to hurt the worker: each call ends soon, small and classified.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use serde_json::json;
use specql_registry::FailureClass;
use specql_runtime::runner::Failure;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::support::{Call, fault, ok, read_request, server};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// The failure of a call to a server that writes `start`, then `again` for ever, one every `pause`.
async fn endless(start: &'static str, again: Vec<u8>, pause: Duration) -> Failure {
    let address = fault(move |mut socket| {
        let again = again.clone();
        async move {
            if socket.write_all(start.as_bytes()).await.is_err() {
                return;
            }
            while socket.write_all(&again).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
    })
    .await;
    let started = Instant::now();
    let failure = Call::at(address).timeout(Duration::from_secs(1)).run(json!({})).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(4), "{failure}");
    failure
}

#[tokio::test]
async fn ht_06_an_endless_body_is_cut_at_the_limit() {
    let plain = "HTTP/1.1 200 OK\r\n\r\n";
    let failure = endless(plain, vec![b' '; 64 * 1024], Duration::ZERO).await;
    assert_eq!(failure.class, FailureClass::EffectResultLost);
    assert!(failure.message.ends_with("it is larger than 1000000 bytes (`max_response_mb`)"), "{failure}");
    assert!(failure.usage["bytes_in"].as_u64().unwrap() < 2_000_000);

    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"4000\r\n".to_vec(), vec![b' '; 0x4000], b"\r\n".to_vec()].concat();
    let failure = endless(chunked, chunk, Duration::ZERO).await;
    assert_eq!(failure.class, FailureClass::EffectResultLost);
}

#[tokio::test]
async fn ht_06_a_drip_ends_at_the_deadline() {
    let failure =
        endless("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", vec![b' '], Duration::from_millis(50)).await;
    assert_eq!(failure.class, FailureClass::EffectResultLost, "{failure}");
}

#[tokio::test]
async fn ht_06_headers_that_never_end_are_ambiguous() {
    let slow = endless(HEAD, b"X-A: 1\r\n".to_vec(), Duration::from_millis(50)).await;
    assert_eq!(slow.class, FailureClass::Ambiguous, "{slow}");
    let fast = endless(HEAD, b"X-A: 1\r\n".repeat(1000), Duration::ZERO).await;
    assert_eq!(fast.class, FailureClass::Ambiguous, "{fast}");
    let long = endless("HTTP/1.1 200 OK\r\nX-A: ", vec![b'a'; 64 * 1024], Duration::ZERO).await;
    assert_eq!(long.class, FailureClass::Ambiguous, "{long}");
}

#[tokio::test]
async fn ht_06_a_flood_of_interim_answers_ends_at_the_deadline() {
    let failure = endless("", b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec(), Duration::from_millis(1)).await;
    assert_eq!(failure.class, FailureClass::Ambiguous, "{failure}");
}

#[tokio::test]
async fn ht_06_a_gzip_bomb_never_unfolds() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; 4 * 1024 * 1024]).unwrap();
    let bomb = encoder.finish().unwrap();
    let mut answer = format!("{HEAD}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len()).into_bytes();
    answer.extend(bomb);
    let (address, _received) = server(answer).await;
    let call = Call::at(address).http("max_response_bytes", json!(500_000_000));
    let failure = call.run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::EffectResultLost);
    assert!(failure.message.ends_with("it grows more than 100 times when it is decompressed"), "{failure}");
}

#[tokio::test]
async fn ht_06_a_broken_body_is_a_lost_result() {
    for answer in [
        format!("{HEAD}Content-Length: 100\r\n\r\n{{\"id\""),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"id\"\r\n"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nZZ\r\n"),
        format!("{HEAD}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"),
        format!("{HEAD}Content-Encoding: br\r\nContent-Length: 4\r\n\r\nnope"),
    ] {
        let text = answer.clone();
        let address = fault(move |mut socket| {
            let answer = answer.clone();
            async move {
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
        })
        .await;
        let failure = Call::at(address).run(json!({})).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::EffectResultLost, "{text}: {failure}");
    }
}

#[tokio::test]
async fn ht_06_json_that_is_nested_without_end_is_refused() {
    let (address, _received) = server(ok(&"[".repeat(100_000))).await;
    let failure = Call::at(address).run(json!({})).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::EffectResultLost);
    assert!(failure.message.contains("nested deeper than 64 levels"), "{failure}");
}

#[tokio::test]
async fn ht_06_an_endless_error_page_gives_its_beginning() {
    let failure = endless("HTTP/1.1 500 Internal Server Error\r\n\r\n", b"sorry ".repeat(1000), Duration::ZERO).await;
    assert_eq!(failure.class, FailureClass::Ambiguous);
    assert!(failure.message.len() < 700, "{failure}");
}

#[tokio::test]
async fn ht_09_a_connection_that_the_server_closed_while_idle_does_no_harm() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            if read_request(&mut socket).await.is_some() {
                let _ = socket.write_all(ok("{}").as_bytes()).await;
            }
        }
    });
    let call = Call::at(address);
    for _ in 0..5 {
        call.run(json!({})).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
