//! Bodies of functions that the user wrote, read again by PostgreSQL when what they may name has changed.

use crate::{
    migrations::plan::{Change, Direction, Plan, Step},
    sql::{ObjectKind, Schema, function},
};

/// Lets PostgreSQL read them at the end of a plan that changes something that a body may name: what a body names is not known.
/// One that no longer fits makes the step fail, and not the first call of the function. A reverse leads back to what was read before.
pub(super) fn check(new: &Schema, direction: Direction, plan: &mut Plan) {
    if direction == Direction::Reverse || !plan.changes.iter().any(may_be_named) {
        return;
    }
    let note = Some("every body of a function is read again: PostgreSQL refuses one that does not fit".to_owned());
    let statements = function::check(new.objects.iter()).into_iter().collect();
    plan.steps.push(Step { note, statements, ..Step::default() });
}

/// Whether a body may name what changes.
const fn may_be_named(change: &Change) -> bool {
    match change {
        Change::Add(kind, _) | Change::Alter(kind, _) | Change::Remove(kind, _) => matches!(
            kind,
            ObjectKind::Schema | ObjectKind::Type | ObjectKind::Table | ObjectKind::Function | ObjectKind::View
        ),
        Change::Rename { .. } | Change::AddColumn { .. } => true,
    }
}
