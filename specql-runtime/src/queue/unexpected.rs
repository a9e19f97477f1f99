//! What the database tells its client, and nobody else, about errors that nobody foresaw.
//!
//! The answer of an action says `failed:unexpected_error` and no more, for an API may pass it on to end users. The rest is in
//! the audit row; a setting of the transaction (`specql.unexpected_error`) says which, and with which SQLSTATE. It is read by
//! the statement that called, needs no rights, and quotes neither the error's message nor a value.

use serde::Deserialize;

/// The status of an action that ended so.
const STATUS: &str = "failed:unexpected_error";

/// Where an unexpected error is to be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Unexpected {
    /// What kind of error it is.
    pub sqlstate: Option<String>,
    /// The function that raised it, and its line.
    pub place: Option<String>,
    /// The key of the row in `app.tb_mutation_audit_log`.
    pub audit_row: Option<i64>,
}

impl Unexpected {
    /// What the database said of a call that ended with this status. `None`: it ended otherwise. Everything in it is `None` where
    /// the database is of a version that does not say it.
    pub(crate) fn of(status: &str, setting: Option<&str>) -> Option<Self> {
        // The setting may be an earlier call's, of the same transaction.
        (status == STATUS).then(|| setting.and_then(|said| serde_json::from_str(said).ok()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unexpected_error_is_explained() {
        let said = Some(r#"{"sqlstate": "42703", "place": null, "audit_row": 7}"#);
        assert_eq!(Unexpected::of("success", said), None);
        assert_eq!(Unexpected::of("failed:closed", said), None);
        let expected = Unexpected { sqlstate: Some("42703".into()), place: None, audit_row: Some(7) };
        assert_eq!(Unexpected::of(STATUS, said), Some(expected));
    }

    #[test]
    fn a_database_that_says_nothing_is_no_error() {
        for said in [None, Some(""), Some("{}")] {
            assert_eq!(Unexpected::of(STATUS, said), Some(Unexpected::default()));
        }
    }
}
