//! Rows that the steps around a call have bound, in the call's callbacks: `$invoice`.
//!
//! A callback runs later and by itself. So the job carries the public ids of the rows that its callbacks name, and the callback
//! reads these rows again. A callback in a callback may name them, too: then the callback around it hands the id on.

use std::collections::BTreeSet;

use super::{ActionChecker, Binding};
use crate::{
    check::Project,
    model::{
        EntityId, Expr, ExprKind, VarId,
        effects::Known,
        expr::{BinaryOp, ColumnRef, SystemColumn},
    },
    syntax::{
        entity::EntitySyntax,
        step::{StepKindSyntax, StepSyntax},
    },
};

/// A row in a callback that the steps around its call have bound.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    /// Its name there, and in the callback.
    pub(super) name: String,
    /// The variable there.
    pub(super) outer: VarId,
    /// The variable of the callback.
    pub(super) var: VarId,
    /// It may hold nothing.
    optional: bool,
}

impl ActionChecker<'_> {
    /// The row that `$name` is in this callback, because the steps around its call have bound it; and whether it may hold nothing.
    pub(in crate::check) fn inherited(&mut self, name: &str) -> Option<(VarId, bool)> {
        let (var, optional) = self.inherited_at(self.frames.len() - 1, name)?;
        Some((var, optional && !self.is_found(var)))
    }

    /// The same in the callback of this depth: 1 is that of a call of the action itself.
    fn inherited_at(&mut self, depth: usize, name: &str) -> Option<(VarId, bool)> {
        let around = depth.checked_sub(1)?;
        let binding = self.frames[around].bindings.iter().rev().find(|(bound, _)| bound == name);
        let (outer, optional) = match binding.map(|(_, binding)| binding.clone()) {
            Some(Binding::Row(row)) => (row, self.frames[around].may_be_gone(row)),
            Some(Binding::Optional(row)) => (row, !self.frames[around].is_found(row)),
            Some(Binding::Value(..) | Binding::Job) => return None,
            None => self.inherited_at(around, name)?,
        };
        if let Some(known) = self.frames[depth].inherited.iter().find(|known| known.outer == outer) {
            return Some((known.var, known.optional));
        }
        let entity = self.frames[around].vars[outer.0].entity;
        // The row in whose name the call is queued is there already.
        if self.frames[around].current == Some(outer) && depth + 1 == self.frames.len() {
            let own = self.current_row();
            if own.is_some() && own == self.frame().row {
                return own.map(|own| (own, false));
            }
        }
        let optional = optional || self.actions.may_remove(entity);
        let frame = &mut self.frames[depth];
        let var = frame.new_var(name, entity);
        frame.inherited.push(Inherited { name: name.to_owned(), outer, var, optional });
        Some((var, optional))
    }

    /// The names of all rows that the steps around this callback have bound, with their entities; the nearest first.
    pub(in crate::check) fn inheritable(&self) -> impl Iterator<Item = (&str, EntityId)> {
        let around = self.frames.iter().rev().skip(1);
        let bound = around.flat_map(|frame| frame.bindings.iter().rev().map(move |bound| (&frame.vars, bound)));
        bound.filter_map(|(vars, (name, binding))| match binding {
            Binding::Row(row) | Binding::Optional(row) => Some((name.as_str(), vars[row.0].entity)),
            Binding::Value(..) | Binding::Job => None,
        })
    }

    /// The callback's row, own or inherited, of which alone a condition is true: `id = $invoice.id`.
    pub(super) fn inherited_target(&self, condition: &Expr) -> Option<VarId> {
        let ExprKind::Binary(BinaryOp::Equal, left, right) = &condition.kind else { return None };
        let is_id =
            |expr: &Expr| matches!(expr.kind, ExprKind::Column { column: ColumnRef::System(SystemColumn::Id), .. });
        let row_of = |expr: &Expr| match expr.kind {
            ExprKind::VarColumn { var, column: ColumnRef::System(SystemColumn::Id) } | ExprKind::Row(var) => Some(var),
            _ => None,
        };
        let row = if is_id(left) { row_of(right) } else { row_of(left).filter(|_| is_id(right)) }?;
        let is_own = self.frame().row == Some(row);
        (is_own || self.frame().inherited.iter().any(|known| known.var == row)).then_some(row)
    }
}

/// The entities of which steps of the project may remove rows from the table, be it with rows that these refer to.
pub(super) fn removed_by_steps(project: Project<'_>, written: &[&EntitySyntax]) -> BTreeSet<EntityId> {
    let mut removed = BTreeSet::new();
    let steps = written.iter().flat_map(|entity| &entity.actions).flat_map(|action| &action.steps);
    steps.for_each(|step| removed_by(step, project, &mut removed));
    let known = Known { entities: project.entities, effects: &|_| None };
    let with_them: Vec<EntityId> = removed.iter().flat_map(|entity| known.removed_with(*entity).removed).collect();
    removed.extend(with_them);
    removed
}

fn removed_by(step: &StepSyntax, project: Project<'_>, removed: &mut BTreeSet<EntityId>) {
    match &step.kind {
        StepKindSyntax::Delete { rows, hard: true } => {
            // An unknown entity is reported when the step itself is checked.
            removed.extend(project.find_entity(&rows.entity.value, rows.entity.span, &mut Vec::new()));
        }
        StepKindSyntax::CallService(call) => {
            let callbacks = [&call.on_success, &call.on_failure].into_iter().flatten();
            callbacks.flat_map(|callback| &callback.steps).for_each(|step| removed_by(step, project, removed));
        }
        _ => {}
    }
    step.branches().flatten().for_each(|step| removed_by(step, project, removed));
}
