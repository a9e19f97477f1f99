//! Migrations: what a project's database has become so far, and the step that is missing.
//!
//! | module | holds |
//! |---|---|
//! | [`file`] | names of migration files |
//! | [`diff`] | two schemas → a plan |
//! | [`plan`] | statements in order, hazards, changes |

pub mod diff;
pub mod file;
pub mod plan;

pub use diff::diff;
pub use file::FileName;
pub use plan::{Direction, Plan};
