//! Rows of the attack matrix, each a test that its number finds: `cargo test -p specql-tests --test attacks ym_03`.
//!
//! | module | rows |
//! |---|---|
//! | `yaml` | YM-01 to YM-18: what a file may hold |
//! | `grammar` | PostgreSQL's own grammar over every SQL file that is emitted; SQ-09 |
//! | `smuggling` | SQ-10: ten thousand made-up files, read by that grammar |
//! | `sql` | SQ-01 to SQ-11: what generated SQL may be made to do |
//! | `tenants` | SQ-08, by two tenants |
//! | `support` | projects of these tests, and what is said about them |
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

mod grammar;
mod smuggling;
mod sql;
mod support;
mod tenants;
mod yaml;
