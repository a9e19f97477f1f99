//! Migrations: what a project's database has become so far, and the step that is missing.
//!
//! | module | holds |
//! |---|---|
//! | [`file`](mod@file) | names of migration files |
//! | [`lock`] | `specql.lock`: the chain of migrations and the schema after the last sealed one |
//! | [`conflict`] | what a merge leaves in it when two branches both added a migration |
//! | [`diff`](mod@diff) | two schemas → a plan |
//! | [`plan`] | statements in order, hazards, changes |
//! | [`name`] | what a plan is called |
//! | [`render`] | a plan as the text of a file |
//! | [`step`](mod@step) | the files of the step that is missing: SpecQL's own, then the model's |
//! | [`history`](mod@history) | the folder as it is and as it should be |
//! | [`record`] | the table in which a database records them, beside an application's own |
//! | `part` | a migration as a binary carries it |
//! | `command`, `refusal` | beginning one by hand, sealing, allowing, squashing, and why not |
//!
//! A *sealed* migration never changes; at most one step is *open*, and every build writes its files anew from the difference
//! between the last sealed schema and the model, or somebody writes it by hand. Nothing here touches a file: `build` makes the edits.

mod command;
pub mod conflict;
pub mod diff;
pub mod file;
pub mod history;
pub mod lock;
pub mod name;
mod origins;
mod part;
pub mod plan;
pub mod record;
mod refusal;
pub mod render;
pub mod step;

pub use command::{allow, begin_by_hand, seal, seal_by_hand, squash};
pub use diff::{diff, retired};
pub use file::FileName;
pub use history::{History, history};
pub use lock::Lock;
pub use origins::same_apart as same_but_for_places;
pub use part::MigrationPart;
pub use plan::{Direction, Hazard, Plan};
pub use refusal::Refusal;
pub use step::MissingStep;
