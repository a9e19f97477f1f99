//! Why the schema could not be brought up to date.

use std::{fmt, slice, time::Duration};

use super::{
    blockers::{Awaited, Blocker},
    compatible::Incompatible,
    patience::cause_of,
};
use crate::{
    database::PooledByTransaction,
    queue::{MissingFunction, QueueError, error::words},
};

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
// A message that tells its cause does not offer it as a source, too: it would be printed twice.
pub enum MigrateError {
    /// A sealed migration is not the one that was applied.
    #[error(
        "migration {version} ({description}) was applied in another form: its file was edited after it had been applied; \
         restore the file, or begin with a fresh database"
    )]
    Changed {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
    },
    /// The database has a migration of this number that has another name.
    #[error(
        "the database has another migration {version} than this binary: `{theirs}`, and not `{description}`; it was migrated from \
         another branch of the project{}: merge that branch, with its migration first, and build again, or use a database for each \
         branch", or_by_another_tool(*open)
    )]
    OtherBranch {
        /// Its number.
        version: i64,
        /// Its name in this binary.
        description: String,
        /// The name of the one that was applied.
        theirs: String,
        /// Whether the binary's is open, and gets another name when it changes.
        open: bool,
    },
    /// The open migration is not the one that was applied, and nothing is recorded that undoes it.
    #[error(
        "the open migration {version} ({description}) was applied in another form, and not by `db.migrate()`, which records \
         how to undo it: `sqlx migrate run` is for sealed migrations; restore the file as it was and seal it, or begin with a \
         fresh database"
    )]
    ChangedOpen {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
    },
    /// The database has a migration that stands between those of this binary.
    #[error(
        "the database has migration {version}, which this binary does not know though it has others that are not applied: \
         its migrations are another history; build from the state of the project that migrated this database, or a newer one"
    )]
    Unknown {
        /// Its number.
        version: i64,
    },
    /// A migration is missing in the database, though a later one is there.
    #[error(
        "the database has migration {later} but not migration {version} ({description}), which comes before it: its history is \
         not the one of this binary; if the migrations were squashed, deploy a version from after that"
    )]
    Gap {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// The latest one that is there.
        later: i64,
    },
    /// A newer version of the project has taken away what this binary needs.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    /// A pooler gives the migration another session for each transaction. Nothing was done.
    #[error(transparent)]
    Pooled(#[from] PooledByTransaction),
    /// Somebody else migrated this database for too long, or has left the lock of migrations behind. Nothing was done.
    #[error(
        "the lock of migrations was not to be had within {} s: {}{}", .waited.as_secs(), Blocking(holder.as_deref().map(slice::from_ref).unwrap_or_default()),
        what_to_do(holder.as_deref())
    )]
    HeldUp {
        /// Who had the lock when last seen.
        holder: Option<Box<Blocker>>,
        /// How long it was tried.
        waited: Duration,
    },
    /// Some of the migrations that a baseline stands for were never applied here.
    #[error(
        "migration {version} ({description}) stands for {replaced} earlier ones, of which this database has only some: \
         migration {missing} is missing; deploy the last version from before the squash first, then this one"
    )]
    PartlyReplaced {
        /// The baseline's number.
        version: i64,
        /// Its name.
        description: String,
        /// How many it stands for.
        replaced: usize,
        /// The first that is missing.
        missing: i64,
    },
    /// A record of sqlx says that a migration was begun and not ended.
    #[error(
        "migration {version} was interrupted half way; look at what it left, mend that by hand, and delete its row in `_sqlx_migrations`"
    )]
    Dirty {
        /// Its number.
        version: i64,
    },
    /// A release build carries an open migration.
    #[error(
        "migration {version} ({description}) is open and this is a release build: run `cargo specql migrate seal` and build again"
    )]
    Open {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
    },
    /// The database has the open migration in another form, and may not be this developer's alone.
    #[error(
        "this database has another form of the open migration {version} ({description}) than this build, which would undo it with what rows \
         have in it; the database is not the embedded one, and a newer build may be at work there: build from the newest sources, \
         or set `SPECQL_UNDO_OPEN=1` where the database is yours alone"
    )]
    WouldUndo {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
    },
    /// The database has the open migration in an earlier form, which a release build does not undo.
    #[error(
        "this database has an earlier form of migration {version} ({description}), applied by a debug build while it was open; \
         a release build undoes nothing: run `db.migrate()` in a debug build against it, or begin with a fresh database"
    )]
    EarlierForm {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
    },
    /// Others held a lock that a migration needs, for all the time that it was tried.
    #[error(
        "migration {version} ({description}) waited {} s for {lock} and {}: {}; end that transaction, or wait for \
         its end, and migrate again", .waited.as_secs(), what_is_left(*was_undone), Blocking(blockers)
    )]
    Blocked {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// What it could not lock, as far as that was seen.
        lock: Awaited,
        /// Who stood in its way when last seen.
        blockers: Vec<Blocker>,
        /// How long it was tried.
        waited: Duration,
        /// Whether nothing of it remains; otherwise batches of rows that it had filled do.
        was_undone: bool,
    },
    /// Rows that are there do not allow what the migration does, which was found before anything was done.
    #[error("migration {version} ({description}) was not begun: {message}; {hint}")]
    RowsInTheWay {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// Which rows, and why.
        message: String,
        /// The way out, with the statement that finds them.
        hint: String,
    },
    /// The session or the server ended in the middle of a migration.
    #[error(
        "migration {version} ({description}) was cut off: {}; `db.migrate()` goes on from there when it is called again",
        said(cause)
    )]
    CutOff {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// What broke.
        cause: sqlx::migrate::MigrateError,
    },
    /// A migration's SQL failed; nothing of it remains.
    #[error("migration {version} ({description}) failed and was undone: {}", said(cause))]
    Failed {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// What PostgreSQL said.
        cause: sqlx::migrate::MigrateError,
    },
    /// A migration that fills rows in batches failed; the batches that were done stay.
    #[error(
        "migration {version} ({description}) failed and stopped: {}; the batches of rows that it had done stay; put right what is \
         in the way and migrate again, and it goes on from there",
        said(cause)
    )]
    Stopped {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// What PostgreSQL said.
        cause: sqlx::migrate::MigrateError,
    },
    /// The old form of the open migration could not be undone.
    #[error(
        "the old form of the open migration {version} could not be undone: {}; put right what is in the way, or \
         begin with a fresh database",
        said(cause)
    )]
    Reverse {
        /// Its number.
        version: i64,
        /// What PostgreSQL said.
        cause: sqlx::migrate::MigrateError,
    },
    /// The project's registry is not what this run time understands.
    #[error("the project's registry cannot be read: {0}; build with one version of the specql crates")]
    Registry(#[source] serde_json::Error),
    /// The queue does not take the project's operations.
    #[error("the project's operations could not be registered: {}", .0.describe())]
    Operations(QueueError),
    /// The migrations are applied, and functions that the project declares and does not make are not there.
    #[error(
        "all migrations are applied, but steps call functions that the database does not have as `functions:` declares them: {}; \
         create them, or give them a body (`sql:` or `file:`), and migrate again", listed(.0)
    )]
    Functions(Vec<MissingFunction>),
    /// There is no table of sqlx's yet, and it cannot be made.
    #[error(
        "the table `public._sqlx_migrations` cannot be made: {}; let this role create tables in schema `public`, or make the \
         table in a schema of its own, as `sqlx migrate run` does", said(.0)
    )]
    NoTable(sqlx::migrate::MigrateError),
    /// The database has several tables of sqlx's, and which of them is the project's is not to be seen.
    #[error(
        "this database has more than one table of applied migrations: {}; drop the one that is not this project's, or close its \
         schema to this role", tables.join(" and ")
    )]
    SeveralTables {
        /// Their names, with how much each of them records.
        tables: Vec<String>,
    },
    /// sqlx's own table.
    #[error("{}", said(.0))]
    Sqlx(sqlx::migrate::MigrateError),
    /// The database could not be asked.
    #[error("the database could not be asked: {}", words(.0))]
    Database(sqlx::Error),
}

impl From<sqlx::migrate::MigrateError> for MigrateError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Sqlx(error)
    }
}

impl From<sqlx::Error> for MigrateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// What PostgreSQL says, where it is PostgreSQL that says something.
fn said(cause: &sqlx::migrate::MigrateError) -> String {
    cause_of(cause).map_or_else(|| cause.to_string(), words)
}

fn listed(missing: &[MissingFunction]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The middle of a sentence about where another migration came from.
const fn or_by_another_tool(open: bool) -> &'static str {
    if open { ", or by another tool than `db.migrate()` before this open migration changed" } else { "" }
}

/// The end of a sentence about a migration that did not come to its end.
const fn what_is_left(was_undone: bool) -> &'static str {
    if was_undone { "was undone" } else { "stopped there, with the batches that it had done" }
}

/// The rest of a sentence about who has the lock of migrations.
fn what_to_do(holder: Option<&Blocker>) -> String {
    match holder {
        Some(Blocker { pid, state: Some(state), .. }) if state == "idle" => format!(
            ", which does nothing with it, as a session that a pooler has kept: end it by `SELECT pg_terminate_backend({pid})`, and \
             migrate again"
        ),
        _ => "; wait for the end of its migration, and migrate again".to_owned(),
    }
}

/// A list of blockers as the end of a sentence.
struct Blocking<'a>(&'a [Blocker]);

impl fmt::Display for Blocking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("whoever held it was gone before it could be seen"),
            [first, others @ ..] => {
                write!(f, "it is held by {first}")?;
                others.iter().try_for_each(|other| write!(f, ", and {other}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_that_is_blocked_says_by_whom() {
        let blocker = Blocker {
            pid: 7,
            application: Some("report".to_owned()),
            role: Some("analyst".to_owned()),
            client: Some("10.0.0.7".to_owned()),
            state: Some("idle in transaction".to_owned()),
            since: Some(Duration::from_secs(90)),
        };
        let error = MigrateError::Blocked {
            version: 4,
            description: "order add note".to_owned(),
            lock: Awaited::Table("sales.tb_order".to_owned()),
            blockers: vec![blocker],
            waited: Duration::from_secs(61),
            was_undone: true,
        };
        assert_eq!(
            error.to_string(),
            "migration 4 (order add note) waited 61 s for a lock on sales.tb_order and was undone: it is held by process 7 \
             (`report`, role `analyst`, from 10.0.0.7, idle in transaction, since 90 s); end that transaction, or wait for its end, and migrate again"
        );
    }

    #[test]
    fn what_to_do_about_another_migration_goes_by_what_it_does() {
        let mut holder = Blocker {
            pid: 7,
            application: Some("shop".to_owned()),
            role: None,
            client: None,
            state: Some("idle".to_owned()),
            since: Some(Duration::from_secs(900)),
        };
        let said = |holder: Blocker| {
            MigrateError::HeldUp { holder: Some(Box::new(holder)), waited: Duration::from_secs(60) }.to_string()
        };
        assert_eq!(
            said(holder.clone()),
            "the lock of migrations was not to be had within 60 s: it is held by process 7 (`shop`, idle, since 900 s), which does \
             nothing with it, as a session that a pooler has kept: end it by `SELECT pg_terminate_backend(7)`, and migrate again"
        );
        holder.state = Some("active".to_owned());
        assert_eq!(
            said(holder),
            "the lock of migrations was not to be had within 60 s: it is held by process 7 (`shop`, active, since 900 s); wait for \
             the end of its migration, and migrate again"
        );
    }
}
