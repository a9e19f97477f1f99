//! The worker against a real PostgreSQL.

mod callbacks;
mod cancel;
mod completion;
mod project;
mod rescue;
mod retries;
mod shutdown;
