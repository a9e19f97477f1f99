//! Rows that are found, asked and then changed, without a lock: between the question and the change another transaction may have
//! changed them, and the answer is no longer true.

use super::ActionChecker;
use crate::{
    diagnostics::rules::sq0214_unlocked_row as unlocked_row,
    model::{
        EntityId, Expr, ExprKind, Step, StepKind, VarId,
        expr::{BinaryOp, ColumnRef, SystemColumn},
        step::{Assignment, Target},
    },
    source::Span,
    syntax::{
        expr::Ast,
        step::{StepKindSyntax, StepSyntax},
    },
};

/// A row that was found and is not locked.
#[derive(Clone, Debug)]
pub(super) struct Unlocked {
    row: VarId,
    entity: EntityId,
    name: String,
    /// How it was found.
    condition: Option<Expr>,
    found: Span,
    /// The columns that conditions have asked for, and the first of these conditions.
    asked: Vec<ColumnRef>,
    question: Option<Span>,
}

impl ActionChecker<'_> {
    /// A condition asks for columns of these rows.
    pub(super) fn note_question(&mut self, condition: &Expr, written: &Ast) {
        self.note_counted(condition, written.span);
        for row in &mut self.frame_mut().unlocked {
            columns_of(condition, row.row, &mut row.asked);
            if !row.asked.is_empty() {
                row.question.get_or_insert(written.span);
            }
        }
    }

    /// After a step: a row that it has found, one that it asks for, or one that it changes.
    pub(super) fn note_rows(&mut self, written: &StepSyntax, step: &Step) {
        match (&step.kind, &written.kind) {
            (
                StepKind::Find { entity, condition, bind, locks: false, .. },
                StepKindSyntax::Find { rows, bind: name, .. },
            ) => {
                let name =
                    name.as_ref().map_or_else(|| self.project.entity(*entity).snake.clone(), |name| name.value.clone());
                let row = Unlocked {
                    row: *bind,
                    entity: *entity,
                    name,
                    condition: condition.clone(),
                    found: rows.entity.span,
                    asked: Vec::new(),
                    question: None,
                };
                self.frame_mut().unlocked.push(row);
            }
            (StepKind::Validate { condition, .. }, StepKindSyntax::Validate { condition: written, .. }) => {
                self.note_question(condition, written);
            }
            (
                StepKind::Update { entity, target: Target::Where(condition), set, .. },
                StepKindSyntax::Update { entity: changed, .. },
            ) => self.note_change(*entity, condition, set, changed.span),
            (
                StepKind::Delete { entity, target: Target::Where(condition), .. },
                StepKindSyntax::Delete { rows, .. },
            ) => self.note_change(*entity, condition, &[], rows.entity.span),
            _ => {}
        }
    }

    fn note_change(&mut self, entity: EntityId, condition: &Expr, set: &[Assignment], span: Span) {
        let project = self.project;
        let mut lost = Vec::new();
        for row in self.frame().unlocked.iter().filter(|row| row.entity == entity && row.is_meant(condition)) {
            let column = set.iter().find(|assignment| row.is_read_by(assignment)).map(|assignment| assignment.column);
            if let Some(ColumnRef::Field(field)) = column {
                lost.push(unlocked_row::lost(row.found, &row.name, &project.entity(entity).field(field).name, span));
            }
        }
        let is_told = !lost.is_empty();
        self.diagnostics.append(&mut lost);
        let unlocked = std::mem::take(&mut self.frame_mut().unlocked);
        let (raced, others) = unlocked.into_iter().partition(|row| row.entity == entity && row.is_changed(condition));
        self.frame_mut().unlocked = others;
        let raced: Vec<Unlocked> = raced;
        for row in raced {
            // One lock mends both.
            if let Some(question) = row.question.filter(|_| !is_told) {
                self.diagnostics.push(unlocked_row::warning(row.found, &row.name, question, span));
            }
        }
    }
}

impl Unlocked {
    /// Whether a statement with this condition changes the row that was asked, without asking again.
    fn is_changed(&self, condition: &Expr) -> bool {
        let mut asks_again = false;
        walk(condition, &mut |part| {
            asks_again |= matches!(&part.kind, ExprKind::Column { entity, column } if *entity == self.entity && self.asked.contains(column));
        });
        self.question.is_some() && self.is_meant(condition) && !asks_again
    }

    /// Whether a statement with this condition is about the row.
    fn is_meant(&self, condition: &Expr) -> bool {
        self.condition.as_ref() == Some(condition) || names(condition, self.row)
    }

    /// Whether a column's new value is computed from what was read of it: what another transaction wrote since is lost.
    fn is_read_by(&self, assignment: &Assignment) -> bool {
        let mut read = Vec::new();
        columns_of(&assignment.value, self.row, &mut read);
        read.contains(&assignment.column)
    }
}

/// Whether a condition is true of the row in this variable alone: `id = $row.id`, and what else is joined by `AND`.
fn names(condition: &Expr, row: VarId) -> bool {
    let is_id = |expr: &Expr| matches!(expr.kind, ExprKind::Column { column: ColumnRef::System(SystemColumn::Id), .. });
    let is_rows = |expr: &Expr| matches!(expr.kind, ExprKind::VarColumn { var, column: ColumnRef::System(SystemColumn::Id) } if var == row);
    match &condition.kind {
        ExprKind::Binary(BinaryOp::And, left, right) => names(left, row) || names(right, row),
        ExprKind::Binary(BinaryOp::Equal, left, right) => {
            (is_id(left) && is_rows(right)) || (is_id(right) && is_rows(left))
        }
        _ => false,
    }
}

/// The columns of the row in this variable that may change.
fn columns_of(expr: &Expr, row: VarId, columns: &mut Vec<ColumnRef>) {
    walk(expr, &mut |part| {
        if let ExprKind::VarColumn { var, column } = &part.kind
            && *var == row
            && *column != ColumnRef::System(SystemColumn::Id)
        {
            columns.push(*column);
        }
    });
}

fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    expr.children(&mut |part| walk(part, visit));
}
