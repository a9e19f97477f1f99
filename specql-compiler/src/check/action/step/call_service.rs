//! `call_service`: the call itself, and its callbacks.

use std::collections::BTreeMap;

use specql_registry::{Operation, service::Unique};

use super::super::{ActionChecker, Binding, Frame, FrameKind, Inherited};
use crate::{
    check::expr::{self, Place, Want},
    diagnostics::{
        rules::{
            sq0206_already_bound as already_bound, sq0401_unknown_service as unknown_service,
            sq0402_unknown_operation as unknown_operation, sq0403_missing_input as missing_input,
            sq0404_unknown_input as unknown_input, sq0407_call_setting as call_setting,
            sq0409_taken_for_another as taken_for_another,
        },
        suggest,
    },
    model::{
        CallService, Callback, CallbackKind, Expr, ExprKind, StepKind, VarId, expr::ExprType, names::derived,
        step::Start,
    },
    registry::MAX_GIVE_UP_AFTER,
    source::Spanned,
    syntax::call_service::{CallServiceSyntax, CallbackSyntax},
};

/// The longest `timeout`, in seconds: a day.
const MAX_TIMEOUT: i64 = 86_400;

/// The most attempts that `max_retries` may ask for.
const MAX_ATTEMPTS: i64 = 100;

/// The largest `priority`, in either direction: the queue's own bound (`jobs.check_job`).
const MAX_PRIORITY: i64 = 32_767;

impl<'a> ActionChecker<'a> {
    pub(super) fn call_service(&mut self, syntax: &CallServiceSyntax) -> Option<StepKind> {
        let operation = self.operation(syntax);
        let ordinal = self.ordinal(syntax);
        let input = operation.map(|operation| self.call_input(syntax, operation));
        let correlation = self.text_setting(syntax.correlation.as_ref(), "correlation_field");
        let idempotency_key = self.text_setting(syntax.idempotency_key.as_ref(), "idempotency_key");
        let start = self.start(syntax);
        let timeout = self.number(syntax.timeout.as_ref(), "timeout", 1, MAX_TIMEOUT);
        let attempts = self.number(syntax.max_retries.as_ref(), "max_retries", 1, MAX_ATTEMPTS);
        let give_up_after = self.give_up_after(syntax);
        let priority = self.number(syntax.priority.as_ref(), "priority", -MAX_PRIORITY, MAX_PRIORITY);
        let unique = self.unique(syntax.unique.as_ref());
        if let Some(span) = syntax.wait.filter(|_| self.frames.len() > 1) {
            self.diagnostics.push(call_setting::awaited_callback(span));
        }
        // A call of a callback is queued in the name of the row that the callback works on.
        let row = if self.frames.len() > 1 { self.current_row() } else { self.frame().current };
        let on_success = self.callback(syntax, syntax.on_success.as_ref(), CallbackKind::Success, &ordinal);
        let on_failure = self.callback(syntax, syntax.on_failure.as_ref(), CallbackKind::Failure, &ordinal);
        let needs_row = [&on_success, &on_failure].into_iter().flatten().any(|(callback, _)| callback.row.is_some());
        let row = if needs_row { row.or_else(|| self.current_row()) } else { row };
        let inherited = [&on_success, &on_failure].into_iter().flatten().flat_map(|(_, inherited)| inherited);
        let carries: BTreeMap<String, VarId> = inherited.map(|row| (row.name.clone(), row.outer)).collect();
        let operation = operation?;
        if unique.unwrap_or(operation.unique) == Unique::Once && idempotency_key.is_none() {
            self.warn_of_other_call(syntax, row, input.as_deref().unwrap_or_default(), carries.values());
        }
        Some(StepKind::CallService(Box::new(CallService {
            service: syntax.service.value.clone(),
            operation: syntax.operation.value.clone(),
            ordinal,
            input: input?,
            timeout_seconds: timeout.and_then(|value| u32::try_from(value).ok()).unwrap_or(operation.timeout_seconds),
            max_attempts: attempts.and_then(|value| u32::try_from(value).ok()).unwrap_or(operation.max_attempts),
            give_up_after_seconds: give_up_after,
            unique: unique.unwrap_or(operation.unique),
            correlation,
            idempotency_key,
            start,
            priority: priority.and_then(|value| i32::try_from(value).ok()).unwrap_or(0),
            row,
            rounds: self.frame().loops.iter().map(|(_, key)| key.clone()).collect(),
            bind: syntax.bind.as_ref().map(|name| name.value.clone()),
            wait: syntax.wait.is_some(),
            carries: carries.into_iter().collect(),
            on_success: on_success.map(|(callback, _)| callback),
            on_failure: on_failure.map(|(callback, _)| callback),
        })))
    }

    /// Warns of a call that is made for a row which is new each time, and taken for the same call each time: its name is that of the
    /// action's own row.
    fn warn_of_other_call<'v>(
        &mut self,
        syntax: &CallServiceSyntax,
        row: Option<VarId>,
        input: &[(String, Expr)],
        carried: impl Iterator<Item = &'v VarId>,
    ) {
        let frame = self.frame();
        let is_new = |row: &VarId| frame.inserted.contains(row);
        // Without a row of its own the call has no name, and with a new one a new name.
        if row.is_none_or(|row| is_new(&row)) {
            return;
        }
        let mut read = Vec::new();
        input.iter().for_each(|(_, value)| rows_of(value, &mut read));
        let new = carried.copied().chain(read).find(is_new);
        let name = new.and_then(|new| {
            let bound = |(_, binding): &&(String, Binding)| matches!(binding, Binding::Row(row) if *row == new);
            frame.bindings.iter().rev().find(bound).map(|(name, _)| name.clone())
        });
        if let Some(name) = name {
            let own = &self.project.entity(self.entity).snake;
            self.diagnostics.push(taken_for_another::warning(
                syntax.operation.span,
                &syntax.operation.value,
                own,
                &name,
            ));
        }
    }

    /// The operation that is called.
    fn operation(&mut self, syntax: &CallServiceSyntax) -> Option<&'a Operation> {
        let services = &self.project.registry.services;
        let Spanned { value: name, span } = &syntax.service;
        let Some(service) = services.get(name) else {
            return self.report(unknown_service::error(*span, name, services.keys().map(String::as_str)));
        };
        let Spanned { value: operation, span } = &syntax.operation;
        let Some(found) = service.operations.get(operation) else {
            let known = service.operations.keys().map(String::as_str);
            return self.report(unknown_operation::error(*span, name, operation, known));
        };
        Some(found)
    }

    /// `<n>` in the names of callbacks and identifiers: `as:`, else the how-manieth call of its operation this is.
    fn ordinal(&mut self, syntax: &CallServiceSyntax) -> String {
        let key = (syntax.service.value.clone(), syntax.operation.value.clone());
        let count = self.calls.entry(key).or_insert(0);
        *count += 1;
        let ordinal = count.to_string();
        let Some(name) = &syntax.bind else { return ordinal };
        if !self.new_name(name) {
            return ordinal;
        }
        if !self.call_names.insert(name.value.clone()) {
            self.diagnostics.push(already_bound::error(name.span, &name.value));
            return ordinal;
        }
        self.frame_mut().bindings.push((name.value.clone(), Binding::Job));
        name.value.clone()
    }

    /// The values of `input:`, in the order of the operation's schema.
    fn call_input(&mut self, syntax: &CallServiceSyntax, operation: &Operation) -> Vec<(String, Expr)> {
        let full_name = format!("{}.{}", syntax.service.value, syntax.operation.value);
        let mut values = Vec::new();
        for (name, value) in &syntax.input.list {
            let Some((position, _, field)) = operation.input.fields.get_full(&name.value) else {
                let known = operation.input.fields.keys().map(String::as_str);
                self.diagnostics.push(unknown_input::error(name.span, &full_name, &name.value, known));
                continue;
            };
            let want = Want {
                ty: ExprType::Value(field.ty.clone()),
                required: field.required && field.default.is_none(),
                place: Place::CallInput(full_name.clone(), name.value.clone()),
            };
            if let Some(expr) = self.value(value, &want) {
                values.push((position, name.value.clone(), expr));
            }
        }
        if syntax.input.whole {
            // A misspelt input is reported once, not as a missing one as well.
            let given = |name: &str| {
                syntax.input.list.iter().any(|(given, _)| {
                    let unknown = !operation.input.fields.contains_key(&given.value);
                    given.value == name || (unknown && suggest(&given.value, [name]).is_some())
                })
            };
            let missing: Vec<String> = operation
                .input
                .fields
                .iter()
                .filter(|(name, field)| field.required && field.default.is_none() && !given(name))
                .map(|(name, field)| format!("{name}: {}", expr::describe_value(&field.ty)))
                .collect();
            if !missing.is_empty() {
                self.diagnostics.push(missing_input::error(syntax.input_span, &full_name, &missing));
            }
        }
        values.sort_by_key(|(position, ..)| *position);
        values.into_iter().map(|(_, name, expr)| (name, expr)).collect()
    }

    fn start(&mut self, syntax: &CallServiceSyntax) -> Start {
        if let Some(Spanned { value, span }) = &syntax.delay {
            return match expr::duration(value, *span) {
                Ok(seconds) => Start::Delay(seconds.unsigned_abs()),
                Err(error) => {
                    self.diagnostics.push(*error);
                    Start::Now
                }
            };
        }
        let at = syntax.run_at.as_ref().and_then(|at| self.time_setting(at));
        at.map_or(Start::Now, Start::At)
    }

    fn give_up_after(&mut self, syntax: &CallServiceSyntax) -> Option<u32> {
        let Spanned { value, span } = syntax.give_up_after.as_ref()?;
        match expr::duration(value, *span) {
            Ok(seconds) => {
                match u32::try_from(seconds).ok().filter(|seconds| (1..=MAX_GIVE_UP_AFTER).contains(seconds)) {
                    Some(seconds) => Some(seconds),
                    None => self.report(call_setting::give_up_after(*span, value)),
                }
            }
            Err(error) => self.report(*error),
        }
    }

    fn number(&mut self, given: Option<&Spanned<i64>>, key: &str, least: i64, most: i64) -> Option<i64> {
        let Spanned { value, span } = *given?;
        if !(least..=most).contains(&value) {
            return self.report(call_setting::range(span, key, value, least, most));
        }
        Some(value)
    }

    fn unique(&mut self, given: Option<&Spanned<String>>) -> Option<Unique> {
        let Spanned { value, span } = given?;
        match Unique::ALL.into_iter().find(|unique| unique.name() == value) {
            Some(unique) => Some(unique),
            None => self.report(call_setting::unique(*span, value)),
        }
    }

    /// The callback, and its rows that the steps around the call have bound.
    fn callback(
        &mut self,
        call: &CallServiceSyntax,
        syntax: Option<&CallbackSyntax>,
        kind: CallbackKind,
        ordinal: &str,
    ) -> Option<(Callback, Vec<Inherited>)> {
        let syntax = syntax?;
        let entity = self.project.entity(self.entity);
        let (service, operation) = (&call.service.value, &call.operation.value);
        let full = format!("cb_{}_{}_{ordinal}_{service}_{operation}_{}", entity.snake, self.name, kind.name());
        let schema = entity.schema.clone();
        let key = format!("{schema}.{full}");
        self.callbacks.push((key.clone(), syntax.span));
        let frame_kind = FrameKind::Callback { kind, service: service.clone(), operation: operation.clone() };
        let has_row = self.can_have_row();
        let statement = self.statement.take();
        self.frames.push(Frame::new(frame_kind, has_row));
        let steps = self.steps(&syntax.steps);
        let Frame { vars, row, inherited, .. } = self.frames.pop()?;
        self.statement = statement;
        let carried = inherited.iter().map(|row| (row.name.clone(), row.var)).collect();
        let origin = self.project.sources.origin(syntax.span);
        let callback = Callback { key, schema, function: derived(&full), kind, vars, row, carried, steps, origin };
        Some((callback, inherited))
    }
}

/// The rows that an expression reads, by their variables.
fn rows_of(value: &Expr, rows: &mut Vec<VarId>) {
    if let ExprKind::VarColumn { var, .. } | ExprKind::Row(var) = value.kind {
        rows.push(var);
    }
    value.children(&mut |part| rows_of(part, rows));
}
