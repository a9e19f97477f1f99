//! `find` and `foreach`: rows and values with names.

use specql_registry::{Basic, ValueType};

use super::super::{ActionChecker, Binding, presence::OfRow};
use crate::{
    check::expr::{self, Want},
    diagnostics::rules::{
        sq0141_invalid_option as invalid_option, sq0211_not_a_list as not_a_list,
        sq0218_misplaced_batches as misplaced_batches,
    },
    model::{
        ColumnRef, EntityId, Expr, ExprKind, FieldType, Foreach, Step, StepKind,
        expr::{Each, ExprType, Literal},
        step::{LoopKey, Source},
    },
    source::Spanned,
    syntax::{
        expr::{Ast, EachSyntax, ForeachSyntax, OrderSyntax, RowsSyntax, SourceSyntax},
        step::{MAX_BATCH, StepSyntax},
    },
};

impl ActionChecker<'_> {
    pub(super) fn find(
        &mut self,
        rows: &RowsSyntax,
        order: &[OrderSyntax],
        bind: Option<&Spanned<String>>,
        optional: bool,
        lock: Option<&Spanned<bool>>,
    ) -> Option<StepKind> {
        let (entity, condition) = self.rows(rows)?;
        let told = self.told_by(rows.condition.as_ref().filter(|_| !optional), entity);
        let order: Vec<_> = order.iter().map(|by| self.ordered_by(entity, by)).collect();
        let snake = self.project.entity(entity).snake.clone();
        let own = entity == self.entity && bind.is_none_or(|name| name.value == snake);
        let name = bind.cloned().unwrap_or(Spanned { value: snake, span: rows.entity.span });
        if !self.new_name(&name) {
            return None;
        }
        let var = self.frame_mut().new_var(&name.value, entity);
        let binding = if optional { Binding::Optional(var) } else { Binding::Row(var) };
        self.frame_mut().bindings.push((name.value, binding));
        // What has the name of the current row is the current row.
        let current = own && !optional;
        if current {
            self.frame_mut().current = Some(var);
            if self.frames.len() == 1 {
                self.result = Some(var);
            }
        }
        if let Some(Spanned { value: false, span }) = lock.filter(|_| current) {
            let help = "leave `lock` out, or give the row another name with `as:`";
            return self.report(invalid_option::error(*span, "the current row is always locked", help));
        }
        self.assume_of_row(told, var);
        let locks = current || lock.is_some_and(|lock| lock.value);
        let order = order.into_iter().collect::<Option<_>>()?;
        Some(StepKind::Find { entity, condition: condition?, order, bind: var, optional, locks })
    }

    /// A column by which rows are ordered, and whether the greatest value comes first.
    fn ordered_by(&mut self, entity: EntityId, by: &OrderSyntax) -> Option<(ColumnRef, bool)> {
        let column = self.project.expect_column(entity, &by.field.value, by.field.span, &mut self.diagnostics)?;
        if let ColumnRef::Field(field) = column
            && !matches!(&self.project.entity(entity).field(field).ty, FieldType::Value(ty) if !ty.is_structured())
        {
            let message = format!("values of `{}` have no order", by.field.value);
            return self.report(invalid_option::error(by.field.span, message, "order by a field with a single value"));
        }
        Some((column, by.descending))
    }

    /// The entity and the condition; the inner `None` stands for a condition that is wrong.
    #[allow(clippy::type_complexity)] // two levels of what may be missing
    fn rows(&mut self, rows: &RowsSyntax) -> Option<(EntityId, Option<Option<Expr>>)> {
        let entity = self.project.find_entity(&rows.entity.value, rows.entity.span, &mut self.diagnostics)?;
        let condition = match &rows.condition {
            Some(condition) => self.in_statement(entity, |checker| checker.condition(condition)).map(Some),
            None => Some(None),
        };
        Some((entity, condition))
    }

    pub(super) fn foreach(
        &mut self,
        head: &ForeachSyntax,
        batch: Option<&Spanned<i64>>,
        steps: &[StepSyntax],
    ) -> Option<StepKind> {
        let batch = batch.and_then(|batch| self.batch(head, batch));
        let named = self.new_name(&head.name);
        let (known, before) = (self.frame().bindings.len(), self.frame().current);
        let mut told = OfRow::default();
        let mut source = match &head.source {
            SourceSyntax::Rows { rows, order, limit } => {
                self.row_source(&head.name.value, rows, order, limit.as_ref(), &mut told)
            }
            SourceSyntax::Values(list) => self.value_source(&head.name.value, list),
        };
        if let Some(Source::Rows { batch: most, .. }) = &mut source {
            *most = batch;
        }
        if !named || source.is_none() {
            // What the steps call by that name is not known.
            self.complete = false;
        }
        match &source {
            Some(Source::Rows { condition, limit, .. }) => {
                condition.iter().chain(limit).for_each(|value| self.forget_by(value));
            }
            Some(Source::Values { list, .. }) => self.forget_by(list),
            None => {}
        }
        let before_rounds = self.frame().known.clone();
        self.note_loop(source.as_ref());
        self.enter_rounds(source.as_ref(), told, steps);
        let steps: Vec<Step> = self.steps(steps);
        // There may have been no round, or many.
        self.frame_mut().known.meet(&before_rounds);
        if source.is_some() {
            self.frame_mut().loops.pop();
        }
        self.leave(known, before);
        Some(StepKind::Foreach(Box::new(Foreach { source: source?, steps })))
    }

    fn row_source(
        &mut self,
        name: &str,
        rows: &RowsSyntax,
        order: &[OrderSyntax],
        limit: Option<&Ast>,
        told: &mut OfRow,
    ) -> Option<Source> {
        let (entity, condition) = self.rows(rows)?;
        // The row of the round has no name yet.
        let order = order.iter().filter_map(|by| self.ordered_by(entity, by)).collect();
        let limit = limit.and_then(|limit| self.limit(limit));
        *told = self.told_by(rows.condition.as_ref(), entity);
        let own = entity == self.entity;
        let frame = self.frame_mut();
        let bind = frame.new_var(name, entity);
        frame.bindings.push((name.to_owned(), Binding::Row(bind)));
        frame.loops.push((Some(entity), LoopKey::Row(bind)));
        if own {
            frame.current = Some(bind);
        }
        // A head that is wrong is reported; the steps are checked all the same.
        Some(Source::Rows { entity, condition: condition.flatten(), order, limit, batch: None, bind })
    }

    /// How many rows a batch has, where the loop may be done in batches.
    fn batch(&mut self, head: &ForeachSyntax, written: &Spanned<i64>) -> Option<u32> {
        let Spanned { value, span } = *written;
        if !(1..=MAX_BATCH).contains(&value) {
            let message = format!("a batch has from 1 to {MAX_BATCH} rows, not {value}");
            return self.report(invalid_option::error(span, message, "some hundreds keep each transaction short"));
        }
        if let SourceSyntax::Rows { order, limit, .. } = &head.source
            && (!order.is_empty() || limit.is_some())
        {
            return self.report(misplaced_batches::ordered(span));
        }
        if self.batches != Some(span) {
            return self.report(misplaced_batches::not_alone(span));
        }
        if !self.actions.is_scheduled(self.entity, &self.name) {
            return self.report(misplaced_batches::not_scheduled(span, &self.name));
        }
        u32::try_from(value).ok()
    }

    /// How many rounds there are at most.
    fn limit(&mut self, written: &Ast) -> Option<Expr> {
        let ty = ExprType::basic(Basic::Bigint);
        let limit = self.value(written, &Want { required: true, ..Want::optional(ty) })?;
        match &limit.kind {
            ExprKind::Literal(Literal::Integer(digits)) if digits.parse().is_ok_and(|rounds: i64| rounds < 1) => {
                let message = format!("a limit of {digits} leaves no row");
                self.report(invalid_option::error(written.span, message, "write how many rows at most, from 1"))
            }
            _ => Some(limit),
        }
    }

    fn value_source(&mut self, name: &str, list: &Ast) -> Option<Source> {
        let (list, element) = self.list_to_go_through(list)?;
        let frame = self.frame_mut();
        let bind = frame.new_value(name, &element);
        frame.bindings.push((name.to_owned(), Binding::Value(ExprKind::Value(bind.clone()), element.clone(), false)));
        frame.loops.push((None, LoopKey::Position(bind.clone())));
        Some(Source::Values { list, bind, element })
    }

    /// A list, and the type of its elements.
    fn list_to_go_through(&mut self, list: &Ast) -> Option<(Expr, ValueType)> {
        let span = list.span;
        let list = self.expression(list, None)?;
        match &list.ty {
            ExprType::Value(ValueType::List(element)) => {
                let element = (**element).clone();
                Some((list, element))
            }
            ExprType::Value(ValueType::Basic(Basic::Json)) => Some((list, ValueType::Basic(Basic::Json))),
            other => self.report(not_a_list::error(span, &expr::describe_type(other))),
        }
    }

    /// `{$for: x in …, $each: …}`, of which `check` checks the value. The variable is known in the value only, and is in no row's
    /// place: the current row stays what it is.
    pub(in crate::check) fn list_of_each(
        &mut self,
        each: &EachSyntax,
        check: impl FnOnce(&mut Self) -> Option<Expr>,
    ) -> Option<Each> {
        let name = &each.head.name;
        let named = self.new_name(name);
        let known = self.frame().bindings.len();
        let source = match &each.head.source {
            SourceSyntax::Rows { rows, order, limit } => {
                let (entity, condition) = self.rows(rows)?;
                let told = self.told_by(rows.condition.as_ref(), entity);
                let order: Vec<_> = order.iter().map(|by| self.ordered_by(entity, by)).collect();
                let limit = limit.as_ref().map(|limit| self.limit(limit));
                let bind = self.frame_mut().new_var(&name.value, entity);
                self.frame_mut().bindings.push((name.value.clone(), Binding::Row(bind)));
                self.reads_row(bind, entity, told);
                let head = (condition, order.into_iter().collect::<Option<Vec<_>>>(), limit);
                match head {
                    (Some(condition), Some(order), None | Some(Some(_))) => {
                        let limit = head.2.flatten();
                        Some(Source::Rows { entity, condition, order, limit, batch: None, bind })
                    }
                    _ => None,
                }
            }
            SourceSyntax::Values(list) => {
                let (list, element) = self.list_to_go_through(list)?;
                let bind = self.frame_mut().new_value(&name.value, &element);
                let binding = Binding::Value(ExprKind::Element(bind.clone()), element.clone(), false);
                self.frame_mut().bindings.push((name.value.clone(), binding));
                Some(Source::Values { list, bind, element })
            }
        };
        let value = check(self);
        self.frame_mut().bindings.truncate(known);
        Some(Each { source: source.filter(|_| named)?, value: value? })
    }
}
