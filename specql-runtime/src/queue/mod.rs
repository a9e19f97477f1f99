//! The protocol of `jobs`: all SQL of the worker and the client.
//!
//! | module | holds |
//! |---|---|
//! | `client` | what clients ask: enqueue, a job's outcome, actions |
//! | `ended` | one LISTEN for all that wait for a job |
//! | [`target`] | where a client's statement goes: a pool, or the caller's own transaction |
//! | [`inspect`] | what operators ask: list, show, retry, cancel |
//! | [`link`] | a connection of one's own, with a limit on every call |
//! | [`error`] | why a call did not work, and whether it may have taken effect |
//! | [`lease`] | claim, heartbeat, release |
//! | [`limits`] | shares of limits, circuit breakers, fallbacks |
//! | [`finish`] | complete and fail |
//! | [`periodic`] | schedules |
//! | [`unexpected`] | where an error that nobody foresaw is to be looked up |
//! | [`upkeep`] | rescue, promote, waiting callbacks, maintenance |
//! | [`rights`] | whether a worker may call what it calls |
//! | [`functions`] | whether the functions are there that the project only declares |
//! | [`registration`] | operations and workers make themselves known |
//! | [`notify`] | LISTEN, re-established for ever |
//!
//! Each call is one statement: it holds no lock and no transaction once it has returned.

pub(crate) mod client;
pub(crate) mod ended;
pub mod error;
pub mod finish;
pub mod functions;
pub mod inspect;
pub mod lease;
pub mod limits;
pub mod link;
pub mod notify;
pub mod periodic;
pub mod registration;
pub mod rights;
pub mod target;
pub mod unexpected;
pub mod upkeep;

pub use error::QueueError;
pub use functions::MissingFunction;
pub use link::Link;
pub use target::Target;
