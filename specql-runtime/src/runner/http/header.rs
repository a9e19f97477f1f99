//! Headers of a request: which may be set by whom, and what their values may hold.

use reqwest::header::{HeaderName, HeaderValue};
use specql_registry::FailureClass;

use super::failure;
use crate::runner::Failure;

/// The connection's own: never set by a registry or an input.
const CONNECTION: &[&str] =
    &["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
/// A registry may set these; an input may not.
const IDENTITY: &[&str] = &["authorization", "cookie", "idempotency-key"];

/// Longest value, in bytes.
const MAX_VALUE: usize = 8 * 1024;

/// A header's name, if a request may carry it; `from_input` when an input fills (a part of) its value.
pub(super) fn name(name: &str, from_input: bool) -> Result<HeaderName, String> {
    let parsed: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header name"))?;
    let lower = parsed.as_str();
    if CONNECTION.contains(&lower) || lower.starts_with("proxy-") {
        return Err(format!("header `{name}` belongs to the connection and cannot be set"));
    }
    if from_input && IDENTITY.contains(&lower) {
        return Err(format!("header `{name}` cannot be set from an input"));
    }
    Ok(parsed)
}

/// A header's value. `place` names it in the message, which never shows the value: it may be a secret.
pub(super) fn value(place: &str, value: &str, class: FailureClass) -> Result<HeaderValue, Failure> {
    let refuse = |why: &str| Err(failure(class, format!("header `{place}`: the value {why}")));
    if value.len() > MAX_VALUE {
        return refuse("is longer than 8 KiB");
    }
    // Not only CR, LF and NUL: what stands beyond visible ASCII is read differently by every server.
    if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return refuse("holds a line break, a control character or a character beyond ASCII");
    }
    HeaderValue::from_str(value).or_else(|_| refuse("is not allowed in a header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ht_05_an_input_cannot_inject_a_header() {
        for bad in ["a\r\nX-Evil: 1", "a\nb", "a\r", "a\0b", "a\r\n folded", "ü", "\u{7f}", "a\tb"] {
            assert!(value("X-Note", bad, FailureClass::InvalidInput).is_err(), "{bad:?}");
        }
        assert!(value("X-Note", &"a".repeat(MAX_VALUE + 1), FailureClass::InvalidInput).is_err());
        assert_eq!(value("X-Note", "plain, text; q=1", FailureClass::InvalidInput).unwrap(), "plain, text; q=1");
    }

    #[test]
    fn ht_05_the_connections_headers_are_nobodys() {
        for bad in ["Host", "content-length", "Transfer-Encoding", "TE", "Connection", "Proxy-Authorization", "Upgrade"]
        {
            assert!(name(bad, false).is_err(), "{bad}");
        }
        for bad in ["Authorization", "idempotency-key", "Cookie", "a b", "", "x:y", "x\r\n"] {
            assert!(name(bad, true).is_err(), "{bad:?}");
        }
        assert!(name("Authorization", false).is_ok());
        assert!(name("Stripe-Version", true).is_ok());
    }
}
