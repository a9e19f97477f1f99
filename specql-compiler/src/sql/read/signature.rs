//! The header of a function.

use super::{closing, items, without_comments, words};
use crate::sql::facts::Signature;

/// The signature of the function that the first statement makes.
pub(super) fn read(create: &[String]) -> Option<Signature> {
    let text = create.first()?;
    let words = words(&without_comments(header(text)));
    let words = words.split_once(" LANGUAGE ").map_or(&*words, |(before, _)| before);
    let (_, rest) = words.split_once("FUNCTION ")?.1.split_once('(')?;
    let end = closing(rest)?;
    let (out, given): (Vec<String>, Vec<String>) =
        items(rest.get(..end)?).into_iter().partition(|one| one.starts_with("OUT "));
    let result = rest.get(end + 1..)?.trim().strip_prefix("RETURNS ").unwrap_or_default();
    let (result, answered) = match result.strip_prefix("TABLE (") {
        Some(columns) => ("TABLE", items(columns.get(..closing(columns)?)?)),
        None => (result, out),
    };
    // A static file's statements are one text.
    let described = create.iter().any(|text| text.starts_with(COMMENT) || text.contains(&format!("\n{COMMENT}")));
    Some(Signature { given, answered, result: result.to_owned(), described, reader: None })
}

const COMMENT: &str = "COMMENT ON FUNCTION ";

/// What PostgreSQL resolves when it makes a function: all but its body, which it only stores.
pub(super) fn header(text: &str) -> &str {
    // What is told before it names whatever it likes.
    let mut header = text;
    while let Some((_, rest)) = header.split_once('\n').filter(|_| header.starts_with("--")) {
        header = rest;
    }
    // The first dollar of a function's statement opens its body: its header holds none.
    match header.find("AS $") {
        Some(body) => header.get(..body).unwrap_or(header),
        None => header,
    }
}
