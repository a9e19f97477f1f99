//! The model as database objects. The only place with SQL text, apart from the runtime's query module.

pub mod object;
mod statements;

pub use object::{Definition, Object, ObjectKind, Schema};

use crate::model::Model;

/// All database objects of a project.
#[must_use]
pub fn schema(_model: &Model) -> Schema {
    Schema::default()
}
