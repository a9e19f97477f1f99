//! Why what a person asks of a history is not done.

use super::FileName;

/// Why nothing was sealed, allowed or squashed, in a sentence for the person who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The lock cannot be read: what the build says of it, too.
    #[error("{reason}")]
    UnreadableLock {
        /// What is wrong with it.
        reason: String,
    },
    /// There is no open step to seal.
    #[error("nothing is open: the migrations are up to date with the entities and sealed")]
    NothingOpen,
    /// A file of the open step is missing, or was edited.
    #[error("`{path}` is not what the last build wrote: build again, then seal")]
    NotAsBuilt {
        /// Which file.
        path: String,
    },
    /// The open step, which somebody writes by hand, has no statement.
    #[error("`{path}` holds no statement yet: write it, or delete the file to take the step back")]
    NothingWritten {
        /// Its file.
        path: String,
    },
    /// A line that PostgreSQL and sqlx read as a comment, where it stands.
    #[error(
        "`{path}` has `-- no-transaction` behind its first line, where it is a comment: it must be the file's first line"
    )]
    NoTransactionTooLate {
        /// The file.
        path: String,
    },
    /// Bytes before the text that editors do not show, and that PostgreSQL does not read.
    #[error("`{path}` begins with a byte order mark, which PostgreSQL refuses: save it as UTF-8 without one")]
    ByteOrderMark {
        /// The file.
        path: String,
    },
    /// One step at a time: what is written by hand begins where everything else is sealed.
    #[error("`{file}` is open: seal it first (`cargo specql migrate seal`)")]
    StepIsOpen {
        /// The open one.
        file: FileName,
    },
    /// A file that no lock knows has the number that a new one would get.
    #[error(
        "`{path}` has the number of the next migration and is not in the lock: `cargo build` says what to do with it"
    )]
    NumberIsTaken {
        /// That file.
        path: String,
    },
    /// The history has mistakes, which a build tells.
    #[error("{message}")]
    BrokenHistory {
        /// The first of them.
        message: String,
    },
    /// A migration cannot have this name.
    #[error("`{name}` is no name for a migration: use lower-case letters, digits and `_`")]
    BadName {
        /// The name.
        name: String,
    },
    /// Nobody can allow the hazard: there is no step that does what is asked for.
    #[error("`{id}` cannot be allowed: {message}; {help}")]
    CannotBeAllowed {
        /// The hazard.
        id: String,
        /// What stands against it.
        message: String,
        /// The way out.
        help: String,
    },
    /// The open step has no such hazard.
    #[error("there is no hazard `{id}`: {}", other_hazards(near.as_deref(), known))]
    UnknownHazard {
        /// What was asked for.
        id: String,
        /// What may have been meant.
        near: Option<String>,
        /// The hazards that there are.
        known: Vec<String>,
    },
    /// Only sealed migrations are squashed, and one is open.
    #[error("`{file}` is open: seal it first")]
    StillOpen {
        /// The open one.
        file: FileName,
    },
    /// Only what is sealed is squashed, and the entities ask for more.
    #[error("the entities have changed since the last seal: build, then seal")]
    NotSealed,
    /// One step makes the whole schema already.
    #[error("there is nothing to squash: one step makes the whole schema already")]
    NothingToSquash,
}

fn other_hazards(near: Option<&str>, known: &[String]) -> String {
    match (near, known) {
        (_, []) => "nothing stands against the open migration".to_owned(),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, known) => format!("there are {}", known.join(", ")),
    }
}
