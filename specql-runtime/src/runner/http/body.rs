//! Reads the body of a response: bounded in decoded bytes, in ratio and in depth.

use std::{
    io::{self, Write},
    time::Duration,
};

use flate2::write::MultiGzDecoder;
use reqwest::{Response, header::CONTENT_ENCODING};
use specql_registry::{Json, json::JsonError};

use super::usage::Usage;

/// Longest silence within a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// A body that grows more than this when it is decoded is a bomb …
const MAX_RATIO: u64 = 100;
/// … unless it is small: a short, repetitive body is honest.
const RATIO_FLOOR: u64 = 1024 * 1024;
/// Deepest nesting of JSON.
const MAX_DEPTH: usize = 64;

/// Why a body cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("it is larger than {0} bytes (`max_response_mb`)")]
    TooLarge(u64),
    #[error("it grows more than {MAX_RATIO} times when it is decompressed")]
    Ratio,
    #[error("its encoding `{0}` was not asked for")]
    Encoding(String),
    #[error("it cannot be decompressed: {0}")]
    Gzip(io::Error),
    #[error("nothing came for {} s", READ_TIMEOUT.as_secs())]
    Stalled,
    #[error("it ended early: {0}")]
    Broken(String),
}

/// Reads a whole body of at most `limit` decoded bytes.
pub(super) async fn read(mut response: Response, limit: u64, usage: &mut Usage) -> Result<Vec<u8>, BodyError> {
    let encoding = response.headers().get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").to_lowercase());
    let mut sink = match encoding.as_deref() {
        None | Some("" | "identity") => Sink::Plain(Bounded::new(limit)),
        Some("gzip" | "x-gzip") => Sink::Gzip(Box::new(MultiGzDecoder::new(Bounded::new(limit)))),
        Some(other) => return Err(BodyError::Encoding(other.to_owned())),
    };
    loop {
        let chunk = tokio::time::timeout(READ_TIMEOUT, response.chunk()).await.map_err(|_| BodyError::Stalled)?;
        let Some(chunk) = chunk.map_err(|error| BodyError::Broken(super::failure::innermost(&error)))? else { break };
        usage.bytes_in += chunk.len() as u64;
        sink.write(&chunk, usage.bytes_in)?;
    }
    sink.finish(usage.bytes_in)
}

enum Sink {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Sink {
    fn write(&mut self, chunk: &[u8], received: u64) -> Result<(), BodyError> {
        let (result, bounded) = match self {
            Self::Plain(bounded) => (bounded.write_all(chunk), bounded),
            Self::Gzip(decoder) => {
                decoder.get_mut().received = Some(received);
                (decoder.write_all(chunk), decoder.get_mut())
            }
        };
        result.map_err(|error| bounded.over.take().unwrap_or(BodyError::Gzip(error)))
    }

    fn finish(self, received: u64) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Plain(bounded) => Ok(bounded.bytes),
            // A header of no bytes is no gzip, but an empty body is an empty body.
            Self::Gzip(_) if received == 0 => Ok(Vec::new()),
            Self::Gzip(mut decoder) => match decoder.try_finish() {
                Ok(()) => Ok(std::mem::take(&mut decoder.get_mut().bytes)),
                Err(error) => Err(decoder.get_mut().over.take().unwrap_or(BodyError::Gzip(error))),
            },
        }
    }
}

/// Takes bytes until there are too many, so that a bomb never unfolds.
struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
    /// Bytes received so far, where they are compressed.
    received: Option<u64>,
    over: Option<BodyError>,
}

impl Bounded {
    fn new(limit: u64) -> Self {
        Self { bytes: Vec::new(), limit, received: None, over: None }
    }
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let total = (self.bytes.len() + chunk.len()) as u64;
        let is_bomb = self.received.is_some_and(|received| total > RATIO_FLOOR && total / MAX_RATIO > received);
        if total > self.limit || is_bomb {
            self.over = Some(if is_bomb { BodyError::Ratio } else { BodyError::TooLarge(self.limit) });
            return Err(io::ErrorKind::Other.into());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a body as JSON of bounded depth; NUL characters, which PostgreSQL cannot store, become U+FFFD.
pub(super) fn parse_json(body: &[u8]) -> Result<Json, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|error| format!("it is not JSON: {error}"))?;
    Json::parse_within(text, MAX_DEPTH).map(Json::without_nul).map_err(|error| match error {
        JsonError::Depth(_) => error.to_string(),
        _ => format!("it is not JSON: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ht_06_json_is_bounded_in_depth_and_free_of_nul() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_json(nested(64).as_bytes()).is_ok());
        assert!(parse_json(nested(65).as_bytes()).unwrap_err().contains("64 levels"));
        assert!(parse_json(nested(100_000).as_bytes()).is_err());
        let read = |text: &[u8]| parse_json(text).unwrap();
        assert_eq!(read(br#"{"a\u0000": "[[\"x\u0000"}"#), json!({"a\u{fffd}": "[[\"x\u{fffd}"}));
        assert_eq!(read(b"\xef\xbb\xbf[1]"), json!([1]));
        for bad in [&b"NaN"[..], b"1e999", b"<html>", b"{} x", b"\"\\ud800\"", b"\"\xff\""] {
            assert!(parse_json(bad).is_err(), "{bad:?}");
        }
    }
}
