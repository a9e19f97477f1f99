//! What the steps of a function read, so that it declares and fetches that and nothing else.

use std::collections::BTreeSet;

use specql_registry::ValueType;

use super::{action::locks_first, entity::column_name, quote::ident};
use crate::model::{
    CallService, Entity, Expr, ExprKind, Model, Return, Step, StepKind, Var, VarId,
    step::{Assignment, LoopKey, Source, Start, Target},
};

/// What a function's steps read.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Of each row variable, the columns.
    columns: Vec<BTreeSet<String>>,
    /// The `as:` names of queued calls whose job id is used.
    pub job_ids: BTreeSet<String>,
    /// Whether a step queues a call.
    pub calls: bool,
    /// Whether a call is queued, by a step or by an action that is called.
    pub queues: bool,
    /// Whether the answer of an action that is called is used: its jobs, or its row.
    pub called: bool,
    /// Whether its row is used.
    pub binds_called: bool,
    /// The variables of loops over values, with the types of their elements.
    pub values: Vec<(String, ValueType)>,
    /// Those of them that are read.
    pub read_values: BTreeSet<String>,
    /// Those of them whose place in the list is used.
    pub positions: BTreeSet<String>,
    /// Whether it goes through rows in batches.
    pub batches: bool,
    /// Whether the rows of an update are locked in a statement before.
    pub locks_first: bool,
}

impl Usage {
    /// Looks through the steps, not into their callbacks.
    pub(super) fn of(model: &Model, vars: &[Var], steps: &[Step]) -> Self {
        let mut usage = Self { columns: vec![BTreeSet::new(); vars.len()], ..Self::default() };
        for step in steps {
            usage.step(model, vars, step);
        }
        usage
    }

    /// Adds a column that is read outside of the steps.
    pub(super) fn read(&mut self, var: VarId, column: &str) {
        if let Some(columns) = self.columns.get_mut(var.0) {
            columns.insert(column.to_owned());
        }
    }

    /// Whether the variable is read at all.
    pub(super) fn reads(&self, var: VarId) -> bool {
        self.columns.get(var.0).is_some_and(|columns| !columns.is_empty())
    }

    /// Whether it is read beyond what never changes.
    pub(super) fn reads_values(&self, entity: &Entity, var: VarId) -> bool {
        let pk = ident(&entity.pk());
        self.columns.get(var.0).is_some_and(|columns| columns.iter().any(|column| *column != pk && column != "id"))
    }

    /// The columns to fetch for a variable, in the table's order, each behind `alias`.
    pub(super) fn fetched(&self, entity: &Entity, var: VarId, alias: &str) -> Vec<String> {
        let Some(used) = self.columns.get(var.0) else { return Vec::new() };
        let pk = ident(&entity.pk());
        let fields = entity.fields.iter().map(|field| ident(&field.column));
        let order: Vec<String> =
            [pk, "id".into(), "identifier".into(), "tenant_id".into()].into_iter().chain(fields).collect();
        let place = |column: &String| order.iter().position(|known| known == column).unwrap_or(usize::MAX);
        let mut columns: Vec<&String> = used.iter().collect();
        columns.sort_by_key(|column| (place(column), *column));
        columns.into_iter().map(|column| format!("{alias}.{column}")).collect()
    }

    fn step(&mut self, model: &Model, vars: &[Var], step: &Step) {
        for row in &step.stale {
            self.key(model, vars, *row);
        }
        match &step.kind {
            StepKind::Validate { condition, message, .. } => {
                self.expr(model, vars, condition);
                message.iter().for_each(|message| self.expr(model, vars, message));
            }
            StepKind::Insert { values, .. } => self.assignments(model, vars, values),
            StepKind::Update { set, target, .. } => {
                self.locks_first |= locks_first(set, target);
                self.assignments(model, vars, set);
                self.target(model, vars, target);
            }
            StepKind::Delete { target, .. } => self.target(model, vars, target),
            StepKind::If { condition, then, otherwise } => {
                self.expr(model, vars, condition);
                for step in then.iter().chain(otherwise) {
                    self.step(model, vars, step);
                }
            }
            StepKind::Find { entity: _, condition, .. } => {
                if let Some(condition) = condition {
                    self.expr(model, vars, condition);
                }
            }
            StepKind::Foreach(foreach) => {
                self.source(model, vars, &foreach.source);
                for step in &foreach.steps {
                    self.step(model, vars, step);
                }
                // Rows come in the order of their keys; where nothing reads them, only their number matters.
                self.batches |= matches!(foreach.source, Source::Rows { batch: Some(_), .. });
                if let Source::Rows { bind, .. } = foreach.source
                    && self.reads(bind)
                {
                    self.key(model, vars, bind);
                }
            }
            StepKind::CallAction(call) => {
                for (_, value) in &call.args {
                    self.expr(model, vars, value);
                }
                let joins = model.action(call.action).1.effects.queues;
                self.queues |= joins;
                self.binds_called |= call.bind.is_some();
                self.called |= joins || call.bind.is_some();
            }
            StepKind::CallFunction { call, bind } => {
                self.values.extend(bind.clone());
                self.expr(model, vars, call);
            }
            StepKind::Notify { recipient, message, .. } => {
                self.expr(model, vars, recipient);
                self.expr(model, vars, message);
            }
            StepKind::Return(value) => match value {
                Return::Nothing => {}
                Return::Row(row) => self.read(*row, "id"),
                Return::Message(value) | Return::Value(value) => self.expr(model, vars, value),
            },
            StepKind::Reject { .. } => {}
            StepKind::CallService(call) => self.call(model, vars, call),
        }
    }

    fn assignments(&mut self, model: &Model, vars: &[Var], assignments: &[Assignment]) {
        for assignment in assignments {
            self.expr(model, vars, &assignment.value);
        }
    }

    fn target(&mut self, model: &Model, vars: &[Var], target: &Target) {
        match target {
            Target::Row(var) => self.key(model, vars, *var),
            Target::Where(condition) => self.expr(model, vars, condition),
        }
    }

    fn source(&mut self, model: &Model, vars: &[Var], source: &Source) {
        match source {
            Source::Rows { condition, limit, .. } => {
                condition.iter().chain(limit).for_each(|value| self.expr(model, vars, value));
            }
            Source::Values { list, bind, element } => {
                self.values.push((bind.clone(), element.clone()));
                self.expr(model, vars, list);
            }
        }
    }

    fn call(&mut self, model: &Model, vars: &[Var], call: &CallService) {
        self.calls = true;
        self.queues = true;
        // A call without a row has no identifier that could end in them.
        for key in call.rounds.iter().filter(|_| call.row.is_some()) {
            match key {
                LoopKey::Row(row) => self.read(*row, "id"),
                LoopKey::Position(value) => {
                    self.positions.insert(value.clone());
                }
            }
        }
        for (_, value) in &call.input {
            self.expr(model, vars, value);
        }
        for value in call.correlation.iter().chain(&call.idempotency_key) {
            self.expr(model, vars, value);
        }
        if let Start::At(time) = &call.start {
            self.expr(model, vars, time);
        }
        for (_, row) in &call.carries {
            self.read(*row, "id");
        }
        if let Some(var) = call.row {
            self.key(model, vars, var);
            self.read(var, "id");
        }
    }

    fn key(&mut self, model: &Model, vars: &[Var], var: VarId) {
        if let Some(row) = vars.get(var.0) {
            let pk = ident(&model.entity(row.entity).pk());
            self.read(var, &pk);
        }
    }

    fn expr(&mut self, model: &Model, vars: &[Var], expr: &Expr) {
        match &expr.kind {
            ExprKind::VarColumn { var, column } => {
                let Some(row) = vars.get(var.0) else { return };
                self.read(*var, &column_name(model.entity(row.entity), *column));
            }
            ExprKind::Row(var) => {
                // Where it leaves the database it is the public id.
                self.key(model, vars, *var);
                self.read(*var, "id");
            }
            ExprKind::Value(name) => {
                self.read_values.insert(name.clone());
            }
            ExprKind::JobId(bind) => {
                self.job_ids.insert(bind.clone());
            }
            _ => {}
        }
        expr.children(&mut |child| self.expr(model, vars, child));
        // Its rows are in no variable of the function's: they are known in its own statement only.
        if let ExprKind::Each(each) = &expr.kind
            && let Source::Rows { bind, .. } = &each.source
            && let Some(columns) = self.columns.get_mut(bind.0)
        {
            columns.clear();
        }
    }
}
