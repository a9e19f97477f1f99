//! What went wrong, in the terms of [`FailureClass`], with the far side's own words.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use reqwest::{
    StatusCode,
    header::{HeaderMap, LOCATION, RETRY_AFTER},
};
use serde_json::Value;
use specql_registry::{FailureClass, failure::Health, http::HttpOperation};

use super::{output::Answer, resolver::DeniedAddress};
use crate::runner::Failure;

/// Longest text that is taken over from the far side, in characters.
const MAX_WORDS: usize = 500;
/// Longest wait that the far side may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A failure without further circumstances.
pub(super) fn failure(class: FailureClass, message: impl Into<String>) -> Failure {
    Failure { usage: Value::Null, ..Failure::new(class, message) }
}

/// A setting that this worker's machine does not have: nothing was sent, and the service has no part in it.
pub(super) fn unset(message: impl Into<String>) -> Failure {
    Failure { health: Health::Unknown, ..failure(FailureClass::NotStarted, message) }
}

/// A request that reqwest gave up before there was a response.
pub(super) fn of_request(error: &reqwest::Error, host: &str) -> Failure {
    if let Some(denied) = chain(error).find_map(|cause| cause.downcast_ref::<DeniedAddress>()) {
        let message = format!("{denied}; `allow_private_network` decides over own networks");
        return failure(FailureClass::PolicyDenied, message);
    }
    let why = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
    if error.is_connect() || error.is_dns() {
        return failure(FailureClass::NotStarted, format!("cannot connect to `{host}`: {why}"));
    }
    if error.is_builder() {
        return failure(FailureClass::PolicyDenied, format!("the request to `{host}` cannot be sent: {why}"));
    }
    // Once there is a connection nobody can say how much of the request was read.
    failure(FailureClass::Ambiguous, format!("the connection to `{host}` broke before an answer came: {why}"))
}

/// An answer whose status is no success.
pub(super) fn of_status(answer: &Answer, service: &str, call: &HttpOperation, idempotent: bool) -> Failure {
    let status = answer.status;
    let listed = call.retry_on.as_ref().map(|listed| listed.contains(&status.as_u16()));
    let class = class_of(status, idempotent || listed == Some(true));
    let retry_after = retry_after(&answer.headers, SystemTime::now());
    let refused = call.no_effect_codes.contains(&status.as_u16());
    let class = match class {
        // It says until when it takes no calls.
        FailureClass::TransientReported
            if status == StatusCode::SERVICE_UNAVAILABLE && idempotent && retry_after.is_some() =>
        {
            FailureClass::RateLimited
        }
        FailureClass::Ambiguous if refused => FailureClass::PermanentReported,
        class => class,
    };
    let words = match class {
        _ if status.is_redirection() => {
            Some(format!("redirect_not_allowed{}", redirect_target(&answer.headers).unwrap_or_default()))
        }
        _ => words(&answer.body),
    };
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    let reason = status.canonical_reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    let mut failure = failure(class, format!("`{service}` answered {}{reason}{words}", status.as_u16()));
    failure.retry = listed.map(|listed| listed && (class != FailureClass::Ambiguous || idempotent));
    failure.retry_after = retry_after;
    // A 4xx comes before anything is done, except for one that may be a gateway's; what redirects may have done it already.
    failure.no_effect = refused
        || status.is_client_error() && matches!(class, FailureClass::PermanentReported | FailureClass::RateLimited);
    if status == StatusCode::TOO_MANY_REQUESTS {
        failure.health = Health::Well;
    }
    failure
}

/// A 408 or 503 may come from a gateway before the far side, which has done its work: it is taken at its word where repeating
/// the call is harmless, or where `retry_on` says that it means a refusal here.
fn class_of(status: StatusCode, trusted: bool) -> FailureClass {
    match status.as_u16() {
        408 | 503 if !trusted => FailureClass::Ambiguous,
        429 => FailureClass::RateLimited,
        408 | 425 | 503 => FailureClass::TransientReported,
        300..=499 => FailureClass::PermanentReported,
        // 500, 502, 504 and every other: the far side, or something before it, broke while it was at work. A 2xx that the
        // operation does not call a success is as unclear.
        _ => FailureClass::Ambiguous,
    }
}

/// Only the host: the rest of a location may hold tokens.
fn redirect_target(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let host = url::Url::parse(location).ok()?.host_str()?.to_owned();
    Some(format!(" (to `{host}`)"))
}

/// `Retry-After` in seconds or as a date, at most an hour. What is neither is ignored.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are a very long wait.
        text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// What an error's body says, as one bounded line.
fn words(body: &[u8]) -> Option<String> {
    let words = match serde_json::from_slice::<Value>(body) {
        Ok(json) => json_words(&json).unwrap_or_else(|| json.to_string()),
        Err(_) => without_tags(&String::from_utf8_lossy(body)),
    };
    let line = words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => Some(format!("{}…", &line[..end])),
        None => (!line.is_empty() && line != "{}").then_some(line),
    }
}

/// The message where the well-known shapes have it (`error.message`, `errors[0].message`, problem+json …), and the code.
fn json_words(json: &Value) -> Option<String> {
    let holder = match json.get("error") {
        Some(error @ Value::Object(_)) => error,
        _ => json.get("errors").and_then(|errors| errors.get(0)).filter(|first| first.is_object()).unwrap_or(json),
    };
    let text = |keys: &[&str]| keys.iter().find_map(|key| holder.get(*key).and_then(Value::as_str));
    let message = text(&["message", "error_description", "detail", "error_message", "Message", "title", "error"])
        .or_else(|| json.get("message").and_then(Value::as_str))?;
    let codes: Vec<_> = ["code", "decline_code"]
        .iter()
        .filter_map(|key| match holder.get(*key)? {
            Value::String(code) => Some(code.clone()),
            Value::Number(code) => Some(code.to_string()),
            _ => None,
        })
        .filter(|code| code != message)
        .collect();
    Some(if codes.is_empty() { message.to_owned() } else { format!("{message} ({})", codes.join(", ")) })
}

/// The text of an HTML page, near enough for a line in a message.
fn without_tags(text: &str) -> String {
    let mut in_tag = false;
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag => plain.push(c),
            _ => {}
        }
    }
    plain
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What lies behind an error; reqwest's own text holds the URL, which may hold a key.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    chain(error).skip(1).last().map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        // Sun, 06 Nov 1994 08:49:37 GMT
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn ht_08_retry_after_is_seconds_or_a_date_and_capped() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(wait("0"), seconds(0));
        assert_eq!(wait("120"), seconds(120));
        assert_eq!(wait("1000000000"), seconds(3600));
        assert_eq!(wait("99999999999999999999999"), seconds(3600));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60));
        assert_eq!(wait("Sunday, 06-Nov-94 08:50:37 GMT"), seconds(60));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), seconds(0));
        assert_eq!(wait("Sat, 06 Nov 2094 08:00:00 GMT"), seconds(3600));
        for garbage in ["-1", "soon", "1.5", ""] {
            assert_eq!(wait(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn the_far_sides_words_are_found_in_the_usual_shapes() {
        for (body, expected) in [
            (
                r#"{"error": {"message": "Your card was declined.", "code": "card_declined"}}"#,
                "Your card was declined. (card_declined)",
            ),
            (r#"{"errors": [{"message": "bad to", "field": "to"}]}"#, "bad to"),
            (r#"{"title": "Out of credit", "detail": "Balance is 30"}"#, "Balance is 30"),
            (r#"{"error": "invalid_grant", "error_description": "expired"}"#, "expired"),
            (r#"{"error": "invalid_grant"}"#, "invalid_grant"),
            (r#"{"message": "Not Found"}"#, "Not Found"),
            (r#"{"code": 20003, "message": "Authenticate"}"#, "Authenticate (20003)"),
            (r#"{"other": 1}"#, r#"{"other":1}"#),
            ("<html><h1>Bad\nGateway</h1></html>", "Bad Gateway"),
            ("no_text", "no_text"),
        ] {
            assert_eq!(words(body.as_bytes()).as_deref(), Some(expected));
        }
        assert_eq!(words(b""), None);
        assert_eq!(words(b"{}"), None);
        assert_eq!(words("é".repeat(9000).as_bytes()).unwrap().chars().count(), MAX_WORDS + 1);
    }

    #[test]
    fn every_status_has_the_class_that_the_design_names() {
        for (statuses, class) in [
            (&[408_u16, 425, 503][..], FailureClass::TransientReported),
            (&[429], FailureClass::RateLimited),
            (&[301, 302, 303, 304, 307, 308, 400, 401, 402, 404, 409, 413, 418, 422], FailureClass::PermanentReported),
            (&[500, 501, 502, 504, 520], FailureClass::Ambiguous),
        ] {
            for status in statuses {
                assert_eq!(class_of(StatusCode::from_u16(*status).unwrap(), true), class, "{status}");
            }
        }
        let untrusted = |status| class_of(StatusCode::from_u16(status).unwrap(), false);
        assert_eq!([408, 503].map(untrusted), [FailureClass::Ambiguous; 2]);
        assert_eq!([425, 429].map(untrusted), [FailureClass::TransientReported, FailureClass::RateLimited]);
    }
}
