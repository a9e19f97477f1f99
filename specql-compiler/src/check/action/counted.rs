//! Rows that are counted before another one is inserted, with nothing locked: another transaction may count at the same time, and both
//! insert.

use std::collections::BTreeSet;

use super::ActionChecker;
use crate::{
    diagnostics::{Diagnostic, rules::sq0215_counted_without_lock as counted_without_lock},
    model::{
        Entity, EntityId, Expr, ExprKind, FieldId, Step, StepKind,
        expr::{ColumnRef, OfRows},
        step::Source,
    },
    source::Span,
    syntax::step::{StepKindSyntax, StepSyntax},
};

/// What an action has asked of other rows so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Counting {
    /// A row is locked, or may be: whoever wants the same one waits.
    locks: bool,
    /// The entities whose rows a condition has asked for, and where.
    asked: Vec<(EntityId, Span)>,
    /// What is said unless the action's own row is locked, which a later step can still ask for.
    warnings: Vec<Diagnostic>,
}

impl ActionChecker<'_> {
    /// A condition of a `validate` or an `if`. What a unique key ensures needs no lock.
    pub(super) fn note_counted(&mut self, condition: &Expr, span: Span) {
        if self.frames.len() > 1 || self.counting.locks {
            return;
        }
        let project = self.project;
        walk(condition, &mut |part| {
            if let ExprKind::OfRows(rows) = &part.kind
                && !is_ensured(project.entity(rows.entity), rows)
            {
                self.counting.asked.push((rows.entity, span));
            }
        });
    }

    /// After a step: one that locks rows, or that inserts one.
    pub(super) fn note_inserted(&mut self, written: &StepSyntax, step: &Step) {
        match (&step.kind, &written.kind) {
            (StepKind::Insert { entity, .. }, StepKindSyntax::Insert { entity: name, .. })
                if self.frames.len() == 1 =>
            {
                let asked = std::mem::take(&mut self.counting.asked);
                let (counted, others): (Vec<_>, _) = asked.into_iter().partition(|(asked, _)| asked == entity);
                self.counting.asked = others;
                // One for each insert: one lock mends them all.
                let warning = |(_, question): &(EntityId, Span)| {
                    counted_without_lock::warning(*question, &self.project.entity(*entity).name, name.span)
                };
                let first = counted.first().map(warning);
                self.counting.warnings.extend(first);
            }
            (StepKind::Find { locks: true, .. } | StepKind::Update { .. } | StepKind::Delete { .. }, _)
            | (StepKind::CallAction(_) | StepKind::CallFunction { .. }, _) => self.counting.locks = true,
            _ => {}
        }
    }

    /// Before the rounds of a loop, which locks its rows.
    pub(super) fn note_loop(&mut self, source: Option<&Source>) {
        self.counting.locks |= matches!(source, Some(Source::Rows { .. }));
    }

    /// At the end of the action.
    pub(super) fn say_what_is_counted(&mut self) {
        if self.loaded.is_none() {
            self.diagnostics.append(&mut self.counting.warnings);
        }
    }
}

/// Whether a condition names all fields of which no two rows have the same values.
fn is_ensured(entity: &Entity, rows: &OfRows) -> bool {
    let mut named: BTreeSet<FieldId> = BTreeSet::new();
    if let Some(condition) = &rows.condition {
        walk(condition, &mut |part| {
            if let ExprKind::Column { entity, column: ColumnRef::Field(field) } = part.kind
                && entity == rows.entity
            {
                named.insert(field);
            }
        });
    }
    let alone = entity.fields.iter().enumerate().any(|(index, field)| field.unique && named.contains(&FieldId(index)));
    alone
        || entity.unique.iter().any(|unique| {
            unique.columns.iter().all(|column| matches!(column, ColumnRef::Field(field) if named.contains(field)))
        })
}

fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    expr.children(&mut |part| walk(part, visit));
}
