//! What an entity's rows must be, and to each other; and what is found among them fast.

use super::{ColumnRef, Expr, FieldId};
use crate::source::Origin;

/// Some columns of an entity, in the order in which they are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// One or more, each once; where they are to be unique, all are declared fields.
    pub columns: Vec<ColumnRef>,
    /// Where they are written.
    pub origin: Origin,
}

/// A condition that all rows meet: it is true or NULL.
#[derive(Clone, Debug)]
pub struct Check {
    /// `refund_is_covered`: what an answer names.
    pub name: String,
    /// Over the row's own columns.
    pub condition: Expr,
    /// The fields that it names, in their order.
    pub fields: Vec<FieldId>,
    /// Where it is written.
    pub origin: Origin,
}
