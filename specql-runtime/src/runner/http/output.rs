//! From a response to the operation's output.

use std::borrow::Cow;

use reqwest::{StatusCode, header::HeaderMap};
use specql_registry::{
    Json, Operation,
    http::{HttpOperation, OutputPath},
    json::Object,
};

use super::body::parse_json;

/// A response that has been read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The output of a successful call, checked against its schema; else why the answer is unusable.
pub(super) fn output(operation: &Operation, call: &HttpOperation, answer: &Answer) -> Result<Json, String> {
    let mapping = call.output.as_ref();
    let whole = OutputPath::Body(Vec::new());
    let body_paths = || {
        let path_of = |name: &String| mapping.and_then(|mapping| mapping.get(name));
        operation.output.fields.keys().map(path_of).filter(|path| matches!(path, None | Some(OutputPath::Body(_))))
    };
    // An answer that nobody reads may be anything, such as the `ok` of a chat's webhook.
    let body = if body_paths().next().is_none() || answer.body.iter().all(u8::is_ascii_whitespace) {
        Json::Object(Object::new())
    } else {
        match parse_json(&answer.body) {
            Ok(body) => body,
            // A field that takes the whole body takes text too.
            Err(why) => match std::str::from_utf8(&answer.body) {
                Ok(text) if body_paths().all(|path| path == Some(&whole)) => Json::from(text).without_nul(),
                _ => return Err(format!("{why}{}", excerpt(answer))),
            },
        }
    };
    let mut output = Object::new();
    for name in operation.output.fields.keys() {
        let found = match mapping.and_then(|mapping| mapping.get(name)) {
            None => body.member(name).map(Cow::Borrowed),
            Some(OutputPath::Body(steps)) => OutputPath::find(steps, &body).map(Cow::Borrowed),
            Some(OutputPath::Status) => Some(Cow::Owned(Json::from(i64::from(answer.status.as_u16())))),
            Some(OutputPath::Header(header)) => {
                let text =
                    answer.headers.get(header).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
                text.map(|text| Cow::Owned(Json::from(text)))
            }
        };
        output.extend(found.map(|value| (name.clone(), value.into_owned())));
    }
    operation.output.check_output(&Json::Object(output)).map_err(|error| error.to_string())
}

/// The beginning of an answer that cannot be read, so that a person sees what it is.
fn excerpt(answer: &Answer) -> String {
    let text: String = String::from_utf8_lossy(&answer.body).chars().filter(|c| !c.is_control()).take(80).collect();
    format!("; it begins `{text}`")
}
