//! What a request used, as keys of `resource_usage`.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

/// Measured while a request runs.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    started: Instant,
    first_byte: Option<Duration>,
    bytes_out: usize,
    /// As they came over the wire, before decoding.
    pub(super) bytes_in: u64,
    status: Option<u16>,
    remote: Option<SocketAddr>,
}

impl Usage {
    pub(super) fn start(bytes_out: usize) -> Self {
        Self { started: Instant::now(), first_byte: None, bytes_out, bytes_in: 0, status: None, remote: None }
    }

    /// Time since the request was begun.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The status line and headers have come.
    pub(super) fn answered(&mut self, response: &reqwest::Response) {
        self.first_byte = Some(self.started.elapsed());
        self.status = Some(response.status().as_u16());
        self.remote = response.remote_addr();
    }

    pub(super) fn to_json(&self) -> Value {
        let total = self.started.elapsed();
        let mut usage = Map::new();
        let mut set = |key: &str, value: Value| {
            usage.insert(key.to_owned(), value);
        };
        set("duration_seconds", json!((total.as_secs_f64() * 1e6).round() / 1e6));
        set("total_ms", millis(total));
        set("bytes_out", json!(self.bytes_out));
        set("bytes_in", json!(self.bytes_in));
        if let Some(first_byte) = self.first_byte {
            set("ttfb_ms", millis(first_byte));
        }
        if let Some(status) = self.status {
            set("status", json!(status));
        }
        if let Some(remote) = self.remote {
            set("remote_addr", json!(remote.to_string()));
        }
        Value::Object(usage)
    }
}

fn millis(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1e6).round() / 1e3)
}
