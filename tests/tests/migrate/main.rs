//! `db.migrate()` on databases that others use, with histories that others changed, beside others that migrate; and killed.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not marked as tests")]

mod by_hand;
mod emitted;
mod kill;
mod locks;
mod older;
mod open_step;
mod realworld;
mod rows;
mod search_path;
mod sqlx_cli;
mod squash;
mod support;
mod turn;
mod upgrade;
