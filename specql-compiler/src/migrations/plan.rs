//! A plan: the statements that take a database from one schema to another, and what stands against it.

use crate::sql::{Object, ObjectKind};

/// Which way a plan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Into a database that holds a user's data: whatever could lose some is a [`Hazard`].
    Forward,
    /// Back out of an open migration, in development: what it added is dropped.
    Reverse,
}

/// The statements that take a database from one schema to another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In the order in which they run.
    pub steps: Vec<Step>,
    /// Why the plan must not be carried out as it is.
    pub hazards: Vec<Hazard>,
    /// What changes, for the migration's name.
    pub changes: Vec<Change>,
}

/// Statements that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// `entities/order.yaml:12`.
    pub origin: Option<String>,
    /// What a reviewer should know.
    pub note: Option<String>,
    /// Without semicolons.
    pub statements: Vec<String>,
}

/// A change that could lose data, or fail on a table that holds rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Hazard {
    /// Which danger.
    pub kind: HazardKind,
    /// What would happen, naming the object.
    pub message: String,
    /// The way out.
    pub help: String,
    /// The line of the source that it comes from.
    pub origin: Option<String>,
}

/// The dangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HazardKind {
    /// Data would be gone.
    Loss,
    /// Rows that are there may not fit.
    Misfit,
}

/// Something that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An object is new.
    Add(ObjectKind, String),
    /// An object is replaced or altered.
    Alter(ObjectKind, String),
    /// An object goes.
    Remove(ObjectKind, String),
    /// A column is new.
    AddColumn {
        /// Its table.
        table: String,
        /// Its name.
        column: String,
    },
}

impl Plan {
    /// Whether there is nothing to do and nothing to object to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.hazards.is_empty()
    }

    /// Where the first change is written, for messages about the plan as a whole.
    #[must_use]
    pub fn first_origin(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| step.origin.as_deref())
    }

    pub(super) fn push(&mut self, object: &Object, statements: Vec<String>) {
        if !statements.is_empty() {
            self.steps.push(Step { origin: object.origin.clone(), note: None, statements });
        }
    }
}
