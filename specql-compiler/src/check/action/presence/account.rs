//! The account that is kept of what is known: what a step tells, and what it may change.

use std::collections::BTreeSet;

use super::{Member, OfRow, Present, Root};
use crate::{
    check::action::ActionChecker,
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
            self.frame_mut().present.retain(|known| known.root != Root::Row(bound));
        }
        if self.knows_of_rows() && !matches!(step.kind, StepKind::If { .. } | StepKind::Foreach(_)) {
            let effects = self.with_known(|known| Effects::of_step(known, step));
            let own = match &step.kind {
                StepKind::Update { target: Target::Row(own), set, .. } if !effects.changes_any => {
                    Some((*own, &set[..]))
                }
                _ => None,
            };
            self.forget_rows(&effects, own);
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
            Some(Source::Rows { entity, condition, bind }) => {
                self.assume_of_row(told, *bind);
                condition.iter().for_each(|condition| self.forget_by(condition));
                Some((*bind, *entity))
            }
            _ => None,
        };
        if self.knows_of_rows() {
            let of = |own| {
                let mut effects = Effects::default();
                self.changes(steps, own, &mut effects);
                effects
            };
            // Each round works on a row of its own, unless it looks for others.
            let own = row.map(|(_, entity)| entity).filter(|entity| !self.looks_for(*entity, steps));
            let (all, others) = (of(None), of(own));
            self.frame_mut().present.retain(|known| {
                let own = row.is_some_and(|(row, _)| known.root == Root::Row(row) && known.members.len() == 1);
                let effects = if own { &others } else { &all };
                !known.entities().any(|entity| effects.may_change(entity))
            });
        }
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
        self.frame_mut().present.retain(|known| {
            let skipped = usize::from(stays(known));
            !known.entities().skip(skipped).any(|entity| effects.may_change(entity))
        });
    }

    /// The columns of a row that a statement has just given values.
    fn assigned(&mut self, row: VarId, set: &[Assignment]) {
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
        if self.knows_of_rows() {
            let effects = self.with_known(|known| Effects::of_expression(known, expr));
            self.forget_rows(&effects, None);
        }
    }

    fn knows_of_rows(&self) -> bool {
        self.frame().present.iter().any(|known| known.entities().next().is_some())
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
                if !(of_a_row && own == Some(entity)) {
                    effects.changes.insert(entity);
                }
                if matches!(step.kind, StepKindSyntax::Delete { hard: true, .. }) {
                    effects.changes.extend(self.with_known(|known| known.removed_with(entity)).changes());
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
                    SourceSyntax::Rows(rows) => Some(rows),
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
