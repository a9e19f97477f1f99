//! The worker against a real PostgreSQL.

mod cancel;
mod completion;
mod project;
mod rescue;
mod retries;
mod shutdown;
