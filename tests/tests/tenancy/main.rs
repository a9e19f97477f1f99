//! Two tenants in one database: what one of them does, the other neither sees nor feels.
//!
//! Two layers stand between them: the predicate in every generated statement, and row level security behind it. The
//! attacks of `attacks.rs` run against both, and against each alone; without either they succeed, which shows that they
//! are attacks.

mod attacks;
mod jobs;
mod migrations;
mod policies;
mod roles;
mod world;
