//! Why a call to the queue did not work, and what that says about its effect.

use std::time::Duration;

/// A call to the queue's functions that did not return.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// No answer in time. What was asked may still happen.
    #[error("the database did not answer `{call}` within {limit:?}")]
    Timeout {
        /// The function.
        call: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// There was no connection; nothing was sent.
    #[error("no connection to the database for `{call}`")]
    Connect {
        /// The function.
        call: &'static str,
        /// The reason.
        source: sqlx::Error,
    },
    /// The database refused the call, or the connection broke during it.
    #[error("the database failed `{call}`")]
    Call {
        /// The function.
        call: &'static str,
        /// The reason.
        source: sqlx::Error,
    },
}

impl QueueError {
    /// Whether the call may have taken effect although it did not return.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Connect { .. } => false,
            Self::Call { source, .. } => match source {
                // 08: the connection; 57P0x: the server went away, perhaps after the commit.
                sqlx::Error::Database(error) => {
                    error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
                }
                sqlx::Error::Encode(_) => false,
                _ => true,
            },
        }
    }

    /// Whether the database refused the call with this SQLSTATE.
    pub(super) fn is(&self, code: &str) -> bool {
        let Self::Call { source, .. } = self else { return false };
        source.as_database_error().and_then(|error| error.code()).is_some_and(|found| found == code)
    }

    /// Whether the error is about the statement and what it was given, so that the connection is as good as before. A list
    /// of what is: a server that has become read-only (25006), stops (57), has no room (53) or is confused (XX) may be so
    /// for this connection alone, and another one leads elsewhere. After a migration (42, 0A) it may hold an old plan.
    pub(super) fn speaks_of_the_statement(&self) -> bool {
        match self {
            Self::Call { source: sqlx::Error::Encode(_), .. } => true,
            Self::Call { source: sqlx::Error::Database(error), .. } => error.code().is_some_and(|code| {
                // Cardinality, data, constraints, rollbacks, views' checks, limits, locks, and what functions raise.
                ["21", "22", "23", "40", "44", "54", "55P03", "P0", "SQ"].iter().any(|class| code.starts_with(class))
            }),
            _ => false,
        }
    }

    /// Whether a lock that the call wanted was held by somebody else for too long. Nothing was done.
    #[must_use]
    pub fn met_a_lock(&self) -> bool {
        self.is("55P03")
    }

    /// Whether the answer did not come in time, be it that the server cancelled the statement (57014) or that it said nothing.
    #[must_use]
    pub fn took_too_long(&self) -> bool {
        matches!(self, Self::Timeout { .. }) || self.is("57014")
    }

    /// Whether PostgreSQL itself failed. It says nothing about the data, and may yet come again with them.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        match self {
            Self::Call { source: sqlx::Error::Database(error), .. } => {
                error.code().is_some_and(|code| code.starts_with("XX"))
            }
            _ => false,
        }
    }

    /// Whether it is the data that the database cannot take, so that a repetition would fail alike. While a migration is
    /// under way anything may fail that has nothing to do with them: `cache lookup failed` (XX), a relation or a function that
    /// is not there (42), a plan that is out of date (0A).
    #[must_use]
    pub fn blames_the_data(&self) -> bool {
        match self {
            Self::Call { source: sqlx::Error::Encode(_), .. } => true,
            Self::Call { source: sqlx::Error::Database(error), .. } => error.code().is_some_and(|code| {
                // 22: data exception; 23: constraint; 54: program limit; P0: raised on the way.
                ["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class))
            }),
            _ => false,
        }
    }

    /// The message with its cause, in one line for logs.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Timeout { .. } => self.to_string(),
            Self::Connect { source, .. } | Self::Call { source, .. } => format!("{self}: {}", words(source)),
        }
    }
}

/// What an error says. Of PostgreSQL's own errors sqlx also shows a line, which is one of PostgreSQL's source and not of anything that a
/// reader has written.
pub(crate) fn words(error: &sqlx::Error) -> String {
    let Some(said) = error.as_database_error() else { return error.to_string() };
    let state = said.code().map(|code| format!(" (SQLSTATE {code})")).unwrap_or_default();
    format!("{}{state}", said.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_was_sent_can_have_taken_effect() {
        let limit = Duration::from_secs(1);
        assert!(QueueError::Timeout { call: "jobs.complete", limit }.outcome_unknown());
        let lost = QueueError::Call { call: "jobs.complete", source: sqlx::Error::WorkerCrashed };
        assert!(lost.outcome_unknown());
        let refused = QueueError::Connect { call: "jobs.complete", source: sqlx::Error::PoolClosed };
        assert!(!refused.outcome_unknown());
    }

    #[test]
    fn data_that_cannot_be_encoded_is_not_sent_again() {
        let error = QueueError::Call { call: "jobs.complete", source: sqlx::Error::Encode("NaN".into()) };
        assert!(error.blames_the_data());
        assert!(!error.outcome_unknown());
    }
}
