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
    /// What a binary that was built before the plan needs and no longer finds, a sentence each.
    pub breaking: Vec<String>,
}

/// The file of a migration that a statement belongs in. PostgreSQL holds a lock to the end of its transaction, so what takes
/// time with a weak lock must not stand in one transaction with what takes a strong one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Whether rows stand against the step: before anything is done, outside of any transaction, alone.
    Check,
    /// Everything that is over at once.
    #[default]
    Main,
    /// Rows get the values that they need: outside of any transaction, alone.
    Backfill,
    /// From here on new rows need them, too.
    Require,
    /// The rows that were made meanwhile.
    Rest,
    /// `CREATE INDEX CONCURRENTLY`: outside of any transaction, alone.
    Concurrently,
    /// `VALIDATE CONSTRAINT`: reads a whole table, and lets everybody write to it meanwhile.
    Validate,
    /// What only a validated constraint or a finished index makes quick.
    Finish,
}

/// Statements that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Where they run.
    pub phase: Phase,
    /// `entities/order.yaml:12`.
    pub origin: Option<String>,
    /// What a reviewer should know.
    pub note: Option<String>,
    /// Without semicolons.
    pub statements: Vec<String>,
}

/// A change that could lose data, fail on a table that holds rows, or stop everybody else for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// What it is allowed by: `drop_column:sales.tb_order.total`.
    pub id: String,
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
    /// The table would be locked while all of it is written anew.
    Lock,
    /// The change cannot be worked out: nothing allows it.
    Impossible,
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
    /// A table or column gets another name.
    Rename {
        /// The old one, with what it stands in.
        from: String,
        /// The new one.
        to: String,
    },
    /// A column is new.
    AddColumn {
        /// Its table.
        table: String,
        /// Its name.
        column: String,
    },
}

impl Phase {
    /// Whether each of its statements is a file of its own, outside of any transaction.
    #[must_use]
    pub const fn stands_alone(self) -> bool {
        matches!(self, Self::Check | Self::Backfill | Self::Rest | Self::Concurrently)
    }
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
        self.push_in(Phase::Main, object, statements);
    }

    pub(super) fn push_in(&mut self, phase: Phase, object: &Object, statements: Vec<String>) {
        if !statements.is_empty() {
            self.steps.push(Step { phase, origin: object.origin.clone(), note: None, statements });
        }
    }
}

impl Hazard {
    /// The id of a hazard: what would be done, and to what, as one word for the command line.
    pub(super) fn id(what: &str, to: &str) -> String {
        let plain: String = to.chars().filter(|character| *character != '"').collect();
        format!("{what}:{}", plain.replace(' ', "_"))
    }
}
