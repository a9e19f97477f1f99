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

    /// Whether it is the data that the database cannot take, so that a repetition would fail alike.
    #[must_use]
    pub fn blames_the_data(&self) -> bool {
        match self {
            Self::Call { source: sqlx::Error::Encode(_), .. } => true,
            Self::Call { source: sqlx::Error::Database(error), .. } => error.code().is_some_and(|code| {
                // 22: data exception; 23: constraint; 54: program limit; P0 and XX: raised on the way.
                ["22", "23", "54", "P0", "XX"].iter().any(|class| code.starts_with(class))
            }),
            _ => false,
        }
    }

    /// The message with its cause, in one line for logs.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Timeout { .. } => self.to_string(),
            Self::Connect { source, .. } | Self::Call { source, .. } => format!("{self}: {source}"),
        }
    }
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
