//! No migration that is emitted locks a table that holds rows for long.
//!
//! | module | shows |
//! |---|---|
//! | `sins` | that the rules of [`specql_tests::locks`] find each sin, and nothing where there is none |
//! | `corpus` | that they find nothing in a step of any application of the corpus |
//! | `big_table` | that who writes to a table of a million rows is not kept waiting |
//!
//! The steps of random pairs of projects are judged by the same rules in `tests/model_pairs`.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

mod big_table;
mod corpus;
mod sins;
