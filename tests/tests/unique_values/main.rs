//! What is unique is so among live rows: a row that was deleted gives its values back, and takes them again when it comes back.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

mod rows;
mod upgrade;
