//! The account that is kept of what is known: what a step tells, and what it may change.

use std::collections::BTreeSet;

use super::{Knowledge, Member, OfRow, Present, Root};
use crate::{
    check::action::{ActionChecker, Frame},
    model::{
        EntityId, Expr, Step, StepKind, VarId,
        effects::{Effects, Known},
        expr::{ColumnRef, SystemColumn},
        function::Volatility,
        step::{Assignment, Source, Target},
    },
    source::Spanned,
    syntax::{
        expr::{Ast, AstKind, RowsSyntax, SourceSyntax},
        step::{StepKindSyntax, StepSyntax},
    },
};

impl ActionChecker<'_> {
    /// After this step: what was known and is no longer, and what the step itself tells. Those in its branches, and the condition
    /// before them, have their own account.
    pub(in crate::check::action) fn account_for(&mut self, step: &Step) {
        // What a `find` tells of its row is known already.
        if let Some(bound) = step.binds().filter(|_| !matches!(step.kind, StepKind::Find { .. })) {
            self.frame_mut().known.present.retain(|known| known.root != Root::Row(bound));
        }
        if !matches!(step.kind, StepKind::If { .. } | StepKind::Foreach(_)) {
            let effects = self.with_known(|known| Effects::of_step(known, step));
            let own = match &step.kind {
                StepKind::Update { target: Target::Row(own), set, .. } if !effects.changes_any => {
                    Some((*own, &set[..]))
                }
                _ => None,
            };
            self.forget_rows(&effects, own);
            self.remove_rows(&effects, step);
        }
        match &step.kind {
            StepKind::Update { target: Target::Row(row), set, .. } => self.assigned(*row, set),
            StepKind::Insert { values, bind, .. } => self.assigned(*bind, values),
            _ => {}
        }
    }

    /// Before the rounds of a loop: what its head tells of its row, without what the steps may change, for before a round there was
    /// another.
    pub(in crate::check::action) fn enter_rounds(
        &mut self,
        source: Option<&Source>,
        told: OfRow,
        steps: &[StepSyntax],
    ) {
        let row = match source {
            Some(Source::Rows { entity, condition, bind, .. }) => {
                self.frame_mut().known.gone.binds(*bind, *entity);
                self.assume_of_row(told, *bind);
                condition.iter().for_each(|condition| self.forget_by(condition));
                Some((*bind, *entity))
            }
            _ => None,
        };
        let of = |own| {
            let mut effects = Effects::default();
            self.changes(steps, own, &mut effects);
            effects
        };
        // Each round works on a row of its own, unless it looks for others.
        let own = row.map(|(_, entity)| entity).filter(|entity| !self.looks_for(*entity, steps));
        let (all, others) = (of(None), of(own));
        let known = &mut self.frame_mut().known;
        known.present.retain(|known| {
            let own = row.is_some_and(|(row, _)| known.root == Root::Row(row) && known.members.len() == 1);
            let effects = if own { &others } else { &all };
            !known.entities().any(|entity| effects.may_change(entity))
        });
        known.gone.reads_again(|entity| all.may_change(entity));
        for entity in &all.removes {
            let kept = row.filter(|(_, own)| own == entity && !others.removes.contains(own));
            known.gone.removes(*entity, kept.map(|(row, _)| row));
        }
        self.forget_gone();
    }

    /// After a step that may have removed rows, or read again those that were.
    fn remove_rows(&mut self, effects: &Effects, step: &Step) {
        let Frame { vars, known, .. } = self.frame_mut();
        known.gone.reads_again(|entity| effects.may_change(entity));
        let own = match &step.kind {
            StepKind::Delete { target: Target::Row(own), entity, hard: true } => Some((*own, *entity)),
            _ => None,
        };
        for entity in &effects.removes {
            match own.filter(|(_, of)| of == entity) {
                Some((own, entity)) => known.gone.deletes(own, entity),
                None => known.gone.removes(*entity, None),
            }
        }
        if let Some((bound, var)) = step.binds().and_then(|bound| Some((bound, vars.get(bound.0)?))) {
            known.gone.binds(bound, var.entity);
        }
        self.forget_gone();
    }

    /// Nothing is known of a row that may not be there.
    fn forget_gone(&mut self) {
        let Frame { vars, known: Knowledge { present, gone }, .. } = self.frame_mut();
        present.retain(|known| match known.root {
            Root::Row(row) => vars.get(row.0).is_none_or(|var| !gone.may_hold_nothing(row, var.entity)),
            _ => true,
        });
    }

    /// Of the row that an update works on, the columns that it does not set stay what they are, but for `updated_by`.
    fn forget_rows(&mut self, effects: &Effects, own: Option<(VarId, &[Assignment])>) {
        let stays = |known: &Present| match (own, &known.root, known.members.first()) {
            (Some((own, set)), Root::Row(row), Some((Member::Column(column), _))) => {
                // Who has updated it is another one now, and may be nobody.
                let by_itself = *column == ColumnRef::System(SystemColumn::UpdatedBy);
                own == *row && !by_itself && set.iter().all(|assignment| assignment.column != *column)
            }
            _ => false,
        };
        self.frame_mut().known.present.retain(|known| {
            let skipped = usize::from(stays(known));
            !known.entities().skip(skipped).any(|entity| effects.may_change(entity))
        });
    }

    /// The columns of a row that a statement has just given values.
    fn assigned(&mut self, row: VarId, set: &[Assignment]) {
        if self.may_be_gone(row) {
            return;
        }
        let project = self.project;
        let entity = self.frame().vars.get(row.0).map(|var| var.entity);
        let may_be_null = |column| match column {
            ColumnRef::Field(field) => entity.is_some_and(|entity| !project.entity(entity).field(field).required),
            ColumnRef::System(_) => true,
        };
        for assignment in set.iter().filter(|set| !set.value.nullable && may_be_null(set.column)) {
            let given = Present::column(row, assignment.column, &self.frame().vars);
            self.know(given);
        }
    }

    /// Forgets what may be changed by the functions that an expression calls.
    pub(in crate::check::action) fn forget_by(&mut self, expr: &Expr) {
        let effects = self.with_known(|known| Effects::of_expression(known, expr));
        self.forget_rows(&effects, None);
        self.frame_mut().known.gone.reads_again(|entity| effects.may_change(entity));
        self.forget_gone();
    }

    fn with_known<T>(&self, look: impl FnOnce(Known<'_>) -> T) -> T {
        let effects = |id| self.actions.checked(id).map(|action| &action.effects);
        look(Known { entities: self.project.entities, effects: &effects })
    }

    /// The rows that steps may change, as far as that can be told before they are checked; `own`: in a loop over rows of this
    /// entity, those that are not the round's own.
    fn changes(&self, steps: &[StepSyntax], own: Option<EntityId>, effects: &mut Effects) {
        let functions = self.project.entities.iter().flat_map(|entity| &entity.functions);
        let volatile: BTreeSet<&str> = functions
            .filter(|function| function.volatility == Volatility::Volatile)
            .map(|function| function.name.as_str())
            .collect();
        let calls = |ast: &Ast| matches!(&ast.kind, AstKind::Call { function, .. } if volatile.contains(function.value.as_str()));
        for step in steps {
            step.expressions(&mut |value| value.walk(&mut |part| effects.changes_any |= calls(part)));
            let changed = match &step.kind {
                StepKindSyntax::Update { entity, condition, .. } => Some((entity, condition.is_none())),
                StepKindSyntax::Delete { rows, .. } => Some((&rows.entity, rows.condition.is_none())),
                StepKindSyntax::Call { call, .. } => {
                    let name = call.function.value.as_str();
                    match self.actions.find(self.entity, name).map(|callee| self.actions.checked(callee)) {
                        Some(Some(callee)) => {
                            effects.changes.extend(&callee.effects.changes);
                            effects.removes.extend(&callee.effects.removes);
                            effects.changes_any |= callee.effects.changes_any;
                        }
                        // A circle is reported already.
                        Some(None) => {}
                        None => effects.changes_any |= volatile.contains(name),
                    }
                    None
                }
                _ => None,
            };
            if let Some((entity, of_a_row)) = changed
                && let Some(entity) = self.quietly_found(entity)
            {
                let others = !(of_a_row && own == Some(entity));
                effects.changes.extend(Some(entity).filter(|_| others));
                if matches!(step.kind, StepKindSyntax::Delete { hard: true, .. }) {
                    effects.removes.extend(Some(entity).filter(|_| others));
                    self.with_known(|known| effects.removal(known, entity));
                }
            }
            step.branches().for_each(|branch| self.changes(branch, own, effects));
        }
    }

    /// Whether there is a `find` of this entity, or a loop over its rows.
    fn looks_for(&self, entity: EntityId, steps: &[StepSyntax]) -> bool {
        steps.iter().any(|step| {
            let rows = match &step.kind {
                StepKindSyntax::Find { rows, .. } => Some(rows),
                StepKindSyntax::Foreach { head, .. } => match &head.source {
                    SourceSyntax::Rows { rows, .. } => Some(rows),
                    SourceSyntax::Values(_) => None,
                },
                _ => None,
            };
            let of_rows = |rows: &RowsSyntax| self.quietly_found(&rows.entity);
            rows.and_then(of_rows) == Some(entity) || step.branches().any(|branch| self.looks_for(entity, branch))
        })
    }

    /// An unknown entity is reported when the step itself is checked.
    fn quietly_found(&self, entity: &Spanned<String>) -> Option<EntityId> {
        self.project.find_entity(&entity.value, entity.span, &mut Vec::new())
    }
}
