//! Which rows a step may have changed behind the backs of the variables that hold them.
//!
//! A variable holds what its row was when it was read. `update: Order SET … WHERE …`, a called action and a function of the
//! project's own may change that row; where a later step reads the variable, the step that may have changed it says so
//! ([`Step::stale`]), and it is read again.

use crate::model::{
    Expr, ExprKind, Step, StepKind, Var, VarId,
    effects::{Effects, Known},
    expr::{ColumnRef, SystemColumn},
    step::{Source, Target},
};

/// Marks the steps of an action or a callback; `bound` are the rows that are there before them.
pub(super) fn mark(known: Known<'_>, vars: &[Var], bound: Vec<VarId>, steps: &mut [Step]) {
    let mut walk = Walk { known, vars, bound, found: Vec::new() };
    walk.steps(steps, &[]);
    let mut found = walk.found.into_iter();
    assign(steps, &mut found);
    mark_callbacks(known, steps);
}

fn assign(steps: &mut [Step], found: &mut impl Iterator<Item = Vec<VarId>>) {
    for step in steps {
        step.stale = found.next().unwrap_or_default();
        for branch in step.branches_mut() {
            assign(branch, found);
        }
    }
}

fn mark_callbacks(known: Known<'_>, steps: &mut [Step]) {
    for step in steps {
        if let StepKind::CallService(call) = &mut step.kind {
            for callback in call.on_success.iter_mut().chain(&mut call.on_failure) {
                mark(known, &callback.vars, callback.rows().collect(), &mut callback.steps);
            }
        }
        step.branches_mut().for_each(|branch| mark_callbacks(known, branch));
    }
}

struct Walk<'k, 'v> {
    known: Known<'k>,
    vars: &'v [Var],
    /// The variables that hold a row at this point, whatever way led here.
    bound: Vec<VarId>,
    /// Of each step, before those of its branches.
    found: Vec<Vec<VarId>>,
}

impl Walk<'_, '_> {
    /// `later`: what may run after these steps.
    fn steps(&mut self, steps: &[Step], later: &[&[Step]]) {
        for (index, step) in steps.iter().enumerate() {
            let mut rest = vec![&steps[index + 1..]];
            rest.extend(later);
            let stale = self.stale(step, &rest);
            self.found.push(stale);
            let bound = self.bound.len();
            if let StepKind::Foreach(foreach) = &step.kind {
                // The next round reads what this one has changed.
                rest.insert(0, &foreach.steps);
                if let Source::Rows { bind, .. } = foreach.source {
                    self.bound.push(bind);
                }
            }
            for branch in step.branches() {
                let inside = self.bound.len();
                self.steps(branch, &rest);
                self.bound.truncate(inside);
            }
            self.bound.truncate(bound);
            self.bound.extend(step.binds().filter(|bind| !self.bound.contains(bind)));
        }
    }

    fn stale(&self, step: &Step, rest: &[&[Step]]) -> Vec<VarId> {
        if let StepKind::Foreach(foreach) = &step.kind {
            let Source::Rows { bind, .. } = foreach.source else { return Vec::new() };
            let mut change = None;
            for step in &foreach.steps {
                step.walk(&mut |step| {
                    change = change.max(self.changes(step, bind)).max(self.changes_others(step, bind));
                });
            }
            return Some(bind)
                .filter(|row| change.is_some_and(|it| read(&foreach.steps, *row, it)))
                .into_iter()
                .collect();
        }
        let bound = self.bound.iter().filter_map(|row| Some((*row, self.changes(step, *row)?)));
        bound.filter(|(row, change)| rest.iter().any(|steps| read(steps, *row, *change))).map(|(row, _)| row).collect()
    }

    /// What a step that removes the row in this variable may do to others of its entity by that.
    fn changes_others(&self, step: &Step, row: VarId) -> Option<Change> {
        let StepKind::Delete { entity, target: Target::Row(own), hard: true } = step.kind else { return None };
        let removal = self.known.removed_with(entity);
        match own == row {
            true if removal.removed.contains(&entity) => Some(Change::Removed),
            true if removal.emptied.contains(&entity) => Some(Change::Updated),
            _ => None,
        }
    }

    /// What a step by itself may do to the row in this variable, where it leaves the variable as it is.
    fn changes(&self, step: &Step, row: VarId) -> Option<Change> {
        let own = match &step.kind {
            // The statement returns it.
            StepKind::Update { target: Target::Row(own), .. } | StepKind::Delete { target: Target::Row(own), .. } => {
                Some(*own)
            }
            _ => step.binds(),
        };
        if own == Some(row) {
            return None;
        }
        let (effects, entity) = (Effects::of_step(self.known, step), self.vars[row.0].entity);
        if effects.removes.contains(&entity) {
            Some(Change::Removed)
        } else {
            effects.may_change(entity).then_some(Change::Updated)
        }
    }
}

/// What may have happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// It has other values.
    Updated,
    /// It is no longer there.
    Removed,
}

/// Whether a step reads what may be another value of this row after such a change.
fn read(steps: &[Step], row: VarId, change: Change) -> bool {
    fn reads(expr: &Expr, row: VarId, change: Change) -> bool {
        let mut found = match &expr.kind {
            ExprKind::VarColumn { var, column: ColumnRef::System(SystemColumn::Id) } | ExprKind::Row(var) => {
                *var == row && change == Change::Removed
            }
            ExprKind::VarColumn { var, .. } => *var == row,
            _ => false,
        };
        expr.children(&mut |child| found = found || reads(child, row, change));
        found
    }
    let mut found = false;
    for step in steps {
        step.walk(&mut |step| step.expressions(&mut |expr| found = found || reads(expr, row, change)));
    }
    found
}
