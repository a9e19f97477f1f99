//! Migrations: what a project's database has become so far, and the step that is missing.
//!
//! | module | holds |
//! |---|---|
//! | [`file`] | names of migration files |

pub mod file;

pub use file::FileName;
