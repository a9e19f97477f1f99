//! The steps.

mod call;
mod call_service;
mod effect;
mod foreach;

use std::collections::BTreeSet;

use super::{ActionChecker, Binding, presence::Ways};
use crate::{
    check::{
        expr::{Place, Want, takes_number, type_of},
        names,
    },
    diagnostics::{
        Diagnostic,
        rules::{
            sq0133_missing_key as missing_key, sq0140_unknown_field as unknown_field,
            sq0204_no_current_row as no_current_row, sq0206_already_bound as already_bound,
            sq0313_misplaced_sequence as misplaced_sequence,
        },
    },
    model::{
        EntityId, Expr, Step, StepKind, VarId,
        expr::{ColumnRef, ExprType, SystemColumn},
        step::{Assignment, LoopKey, Target},
    },
    source::{Span, Spanned},
    syntax::{
        expr::{Ast, AstKind, RowsSyntax},
        step::{AssignmentsSyntax, StepKindSyntax, StepSyntax},
    },
};

/// The code of a `validate` that names none: `validation:invalid`.
const DEFAULT_ERROR: &str = "invalid";

impl ActionChecker<'_> {
    pub(super) fn steps(&mut self, steps: &[StepSyntax]) -> Vec<Step> {
        let mut checked = Vec::new();
        for written in steps {
            match self.step(written) {
                Some(kind) => {
                    let step = Step { kind, stale: Vec::new(), origin: self.project.sources.origin(written.span) };
                    self.account_for(&step);
                    self.note_rows(written, &step);
                    self.note_inserted(written, &step);
                    checked.push(step);
                }
                None => self.complete = false,
            }
        }
        checked
    }

    fn step(&mut self, step: &StepSyntax) -> Option<StepKind> {
        match &step.kind {
            StepKindSyntax::Validate { condition, error, message } => {
                let checked = self.condition(condition);
                let message = match message {
                    Some(message) => Some(self.expression(message, None)?),
                    None => None,
                };
                let error = match error {
                    Some(error) => self.code(error)?,
                    None => DEFAULT_ERROR.to_owned(),
                };
                self.assume(condition, Ways::True);
                let condition = checked;
                Some(StepKind::Validate { condition: condition?, error, message })
            }
            StepKindSyntax::Insert { entity, values, bind } => self.insert(entity, values.as_ref(), bind.as_ref()),
            StepKindSyntax::Update { entity, set, condition } => self.update(entity, set, condition.as_ref()),
            StepKindSyntax::Delete { rows, hard } => self.delete(rows, *hard),
            StepKindSyntax::Find { rows, order, bind, optional, lock } => {
                self.find(rows, order, bind.as_ref(), *optional, lock.as_ref())
            }
            StepKindSyntax::If { condition, then, otherwise } => self.if_else(condition, then, otherwise),
            StepKindSyntax::Foreach { head, batch, steps } => self.foreach(head, batch.as_ref(), steps),
            StepKindSyntax::Call { call, bind } => self.call(call, bind.as_ref()),
            StepKindSyntax::Notify(notify) => self.notify(notify),
            StepKindSyntax::Return(value) => self.finish(value),
            StepKindSyntax::Reject { code } => Some(StepKind::Reject { code: self.code(code)? }),
            StepKindSyntax::CallService(call) => self.call_service(call),
        }
    }

    fn if_else(&mut self, written: &Ast, then: &[StepSyntax], otherwise: &[StepSyntax]) -> Option<StepKind> {
        let condition = self.condition(written);
        condition.iter().for_each(|condition| self.note_question(condition, written));
        let before = self.frame().known.clone();
        let then = self.way(then, written, Ways::True, condition.as_ref());
        let after_then = std::mem::replace(&mut self.frame_mut().known, before);
        let otherwise = self.way(otherwise, written, Ways::NotTrue, condition.as_ref());
        // What follows is only reached on the way that did not end; else what is known is what both ways leave known.
        let ends = |steps: &[Step]| steps.iter().any(Step::ends);
        match (ends(&then), ends(&otherwise)) {
            (true, _) => {}
            (false, true) => self.frame_mut().known = after_then,
            (false, false) => self.frame_mut().known.meet(&after_then),
        }
        Some(StepKind::If { condition: condition?, then, otherwise })
    }

    /// The steps of a branch: what they bind, and the row they make, is not known after it.
    fn way(&mut self, steps: &[StepSyntax], written: &Ast, ways: Ways, condition: Option<&Expr>) -> Vec<Step> {
        let (known, before) = (self.frame().bindings.len(), self.frame().current);
        self.assume(written, ways);
        condition.into_iter().for_each(|condition| self.forget_by(condition));
        let checked = self.steps(steps);
        self.leave(known, before);
        checked
    }

    /// Ends a branch: what was known, and the current row, are those of before it.
    fn leave(&mut self, known: usize, before: Option<VarId>) {
        // A row that is loaded is loaded before the first step, wherever it was asked for.
        let loaded = if self.frames.len() == 1 { self.loaded } else { self.frame().row };
        let frame = self.frame_mut();
        frame.bindings.truncate(known);
        frame.current = before.or(loaded);
    }

    /// The word behind `validation:` or `failed:`.
    fn code(&mut self, code: &Spanned<String>) -> Option<String> {
        names::check_identifier(code, "an error", &mut self.diagnostics).then(|| code.value.clone())
    }

    fn insert(
        &mut self,
        entity: &Spanned<String>,
        values: Option<&AssignmentsSyntax>,
        bind: Option<&Spanned<String>>,
    ) -> Option<StepKind> {
        let id = self.project.find_entity(&entity.value, entity.span, &mut self.diagnostics)?;
        let assignments = match values {
            Some(values) => {
                let mut assignments = self.assignments(id, &values.list);
                // In the order of the fields, whatever that of the file is.
                assignments.sort_by_key(|assignment| match assignment.column {
                    ColumnRef::System(_) => None,
                    ColumnRef::Field(field) => Some(field),
                });
                if values.whole && assignments.len() == values.list.len() {
                    self.check_complete(id, &assignments, entity);
                }
                assignments
            }
            None if self.frames.len() > 1 => {
                self.diagnostics.push(missing_key::error(entity.span, "an insert in a callback", "values"));
                Vec::new()
            }
            None => {
                let assignments = self.input_assignments(id, entity, false);
                self.check_complete(id, &assignments, entity);
                assignments
            }
        };
        let bound = bind.and_then(|name| self.new_name(name).then(|| name.value.clone()));
        let hint = bound.clone().unwrap_or_else(|| self.project.entity(id).snake.clone());
        let var = self.frame_mut().var(&hint, id);
        if let Some(name) = bound {
            self.frame_mut().bindings.push((name, Binding::Row(var)));
        }
        // In a callback the row for which the call was queued stays the current one.
        if id == self.entity && !self.frame().has_row {
            self.frame_mut().current = Some(var);
            if self.frames.len() == 1 {
                self.result = Some(var);
            }
        }
        Some(StepKind::Insert { entity: id, values: assignments, bind: var })
    }

    fn update(
        &mut self,
        entity: &Spanned<String>,
        set: &[(Spanned<String>, Ast)],
        condition: Option<&Ast>,
    ) -> Option<StepKind> {
        let id = self.project.find_entity(&entity.value, entity.span, &mut self.diagnostics)?;
        let target = self.target(id, condition, || no_current_row::update(entity.span, &entity.value));
        let set = self.in_statement(id, |checker| checker.assignments(id, set));
        Some(StepKind::Update { entity: id, set, target: target?, partial: false })
    }

    fn delete(&mut self, rows: &RowsSyntax, hard: bool) -> Option<StepKind> {
        let RowsSyntax { entity, condition } = rows;
        let id = self.project.find_entity(&entity.value, entity.span, &mut self.diagnostics)?;
        let missing = || no_current_row::delete(entity.span, &entity.value);
        let target = self.target(id, condition.as_ref(), missing)?;
        Some(StepKind::Delete { entity: id, target, hard })
    }

    /// The rows that an update or a delete works on: those of its condition, else the row of the innermost loop over the
    /// entity, else the current row.
    fn target(
        &mut self,
        entity: EntityId,
        condition: Option<&Ast>,
        missing: impl FnOnce() -> Diagnostic,
    ) -> Option<Target> {
        if let Some(condition) = condition {
            let condition = self.in_statement(entity, |checker| checker.condition(condition))?;
            // A row that the job carries is meant, be it deleted or not, as the row in whose name the call was queued.
            return Some(self.inherited_target(&condition).map_or(Target::Where(condition), Target::Row));
        }
        // In a loop over the own entity its row is the current row already.
        let row = if entity == self.entity {
            self.current_row()
        } else {
            self.frame().loops.iter().rev().find_map(|(of, key)| match key {
                LoopKey::Row(row) if *of == Some(entity) => Some(*row),
                _ => None,
            })
        };
        match row {
            Some(row) => Some(Target::Row(row)),
            None => self.report(missing()),
        }
    }

    /// Checks something in which bare names are columns of `entity`.
    pub(in crate::check) fn in_statement<T>(&mut self, entity: EntityId, check: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.statement.replace(entity);
        let result = check(self);
        self.statement = outer;
        result
    }

    /// `field = value`, each of a declared field (or of `identifier`) and of its type.
    fn assignments(&mut self, entity: EntityId, written: &[(Spanned<String>, Ast)]) -> Vec<Assignment> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut assignments = Vec::new();
        for (name, value) in written {
            let (column, want) = if let Some((id, field)) = self.project.field(entity, &name.value) {
                let place = Place::Field(field.name.clone());
                (ColumnRef::Field(id), Want { ty: type_of(&field.ty), required: field.required, place })
            } else if name.value == SystemColumn::Identifier.name() {
                (ColumnRef::System(SystemColumn::Identifier), identifier())
            } else {
                self.no_such_field(entity, name);
                continue;
            };
            if !seen.insert(&name.value) {
                self.diagnostics.push(unknown_field::twice(name.span, &name.value));
                continue;
            }
            let Some(checked) = self.value(value, &want) else { continue };
            let (own, other) = (self.project.entity(self.entity), self.project.entity(entity));
            if own.schema != other.schema && takes_number(&checked) {
                self.diagnostics.push(misplaced_sequence::other_schema(value.span, &own.schema, &other.name));
                continue;
            }
            assignments.push(Assignment { column, value: checked });
        }
        assignments
    }

    fn no_such_field(&mut self, entity: EntityId, name: &Spanned<String>) {
        if self.project.is_broken_field(entity, &name.value) {
            return;
        }
        let entity = self.project.entity(entity);
        self.diagnostics.push(if SystemColumn::from_name(&name.value).is_some() {
            unknown_field::system(name.span, &name.value)
        } else {
            let known = entity.fields.iter().map(|field| field.name.as_str());
            unknown_field::error(name.span, &entity.name, &name.value, known)
        });
    }

    /// An input as the value of the field of its name.
    pub(super) fn input_value(&mut self, name: &str, want: &Want, span: Span) -> Option<Expr> {
        let root = Spanned { value: "input".to_owned(), span };
        let members = vec![Spanned { value: name.to_owned(), span }];
        self.value(&Ast { kind: AstKind::Path { root, members }, span, depth: 1 }, want)
    }

    /// Whether a name given with `as:` is one, and is free.
    pub(super) fn new_name(&mut self, name: &Spanned<String>) -> bool {
        if !names::check_identifier(name, "a variable", &mut self.diagnostics) {
            return false;
        }
        if names::SPECIAL_VARIABLES.contains(&name.value.as_str()) {
            self.diagnostics.push(already_bound::reserved(name.span, &name.value));
            return false;
        }
        if self.frame().bindings.iter().any(|(bound, _)| *bound == name.value) {
            self.diagnostics.push(already_bound::error(name.span, &name.value));
            return false;
        }
        true
    }

    /// A value that is kept as text.
    pub(super) fn text_setting(&mut self, ast: Option<&Ast>, key: &'static str) -> Option<Expr> {
        self.value(ast?, &Want::text(key))
    }

    /// A point in time.
    pub(super) fn time_setting(&mut self, ast: &Ast) -> Option<Expr> {
        let ty = ExprType::basic(specql_registry::Basic::Timestamp);
        self.value(ast, &Want { required: true, ..Want::optional(ty) })
    }
}

/// What `identifier`, the one system column that steps set, takes.
pub(super) fn identifier() -> Want {
    let place = Place::Field(SystemColumn::Identifier.name().to_owned());
    Want { ty: ExprType::basic(specql_registry::Basic::Text), required: false, place }
}
