//! What running an action may do, with all that it calls: found once for each, when it is checked.

#[cfg(test)]
use std::cell::Cell;
use std::collections::BTreeSet;

use super::{
    ActionId, CallService, Entity, EntityId, Expr, ExprKind, FieldType, OnDelete, Return, Step, StepKind,
    expr::ExprType,
    function::{Function, Volatility},
    step::{Source, Start},
};

#[cfg(test)]
thread_local! {
    /// How often a step was looked at: what it costs to find effects, in steps and not in seconds.
    pub(crate) static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// What running some steps may do, those of the actions that they call included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// A call is queued.
    pub queues: bool,
    /// What PostgreSQL may assume of a function with these steps.
    pub volatility: Volatility,
    /// Rows that belong to a tenant are touched, now or by a callback.
    pub for_tenant: bool,
    /// The entities of which rows may be updated or deleted, by the steps or because they refer to a row that is removed.
    pub changes: BTreeSet<EntityId>,
    /// The entities of which rows may be removed from the table, by the steps or because they refer to a row that is removed.
    pub removes: BTreeSet<EntityId>,
    /// A function of the project's own is called that may do anything.
    pub changes_any: bool,
    /// The calls with `async: false`, each once, in the order in which they stand.
    pub awaited: Vec<Awaited>,
    /// How many actions the longest chain of calls has, and the one that it goes on with.
    pub chain: (usize, Option<ActionId>),
}

/// A queued call that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The service.
    pub service: String,
    /// Its operation.
    pub operation: String,
    /// [`CallService::ordinal`].
    pub ordinal: String,
    /// From the queueing on, in seconds: the delay and the timeout.
    pub seconds: u64,
}

/// What is known of the rest of the project.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// All entities, with their functions.
    pub entities: &'a [Entity],
    /// What an action does that was looked at before.
    pub effects: &'a dyn Fn(ActionId) -> Option<&'a Effects>,
}

/// What happens to other rows when rows are removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Rows of these entities may be removed, too: `on_delete: cascade`.
    pub removed: BTreeSet<EntityId>,
    /// Rows of these entities may lose a reference: `on_delete: set_null`.
    pub emptied: BTreeSet<EntityId>,
}

impl Removal {
    /// The entities whose rows are no longer what they were.
    pub fn changes(&self) -> impl Iterator<Item = EntityId> {
        self.removed.union(&self.emptied).copied()
    }
}

impl Known<'_> {
    /// What happens to other rows when rows of this entity are removed.
    #[must_use]
    pub fn removed_with(&self, entity: EntityId) -> Removal {
        let mut removal = Removal::default();
        let mut targets = vec![entity];
        while let Some(removed) = targets.pop() {
            for (index, referrer) in self.entities.iter().enumerate() {
                let id = EntityId(index);
                for field in &referrer.fields {
                    match field.ty {
                        FieldType::Ref { target, on_delete: OnDelete::Cascade }
                            if target == removed && removal.removed.insert(id) =>
                        {
                            targets.push(id);
                        }
                        FieldType::Ref { target, on_delete: OnDelete::SetNull } if target == removed => {
                            removal.emptied.insert(id);
                        }
                        _ => {}
                    }
                }
            }
        }
        removal
    }
}

impl Effects {
    /// Of these steps; `locks`: a row is locked before them.
    #[must_use]
    pub fn of_steps(known: Known<'_>, steps: &[Step], locks: bool) -> Self {
        let volatility = if locks { Volatility::Volatile } else { Volatility::Immutable };
        let mut effects = Self { volatility, chain: (1, None), ..Self::default() };
        effects.steps(known, steps);
        effects
    }

    /// Of an action of `owner`; `loads`: its current row is locked before the steps.
    #[must_use]
    pub fn of_action(known: Known<'_>, owner: EntityId, steps: &[Step], loads: bool) -> Self {
        let mut effects = Self::of_steps(known, steps, loads);
        effects.touches(known, owner);
        effects
    }

    /// Of one step, those in its branches left out.
    #[must_use]
    pub fn of_step(known: Known<'_>, step: &Step) -> Self {
        let mut effects = Self { volatility: Volatility::Immutable, chain: (1, None), ..Self::default() };
        effects.step(known, step);
        effects
    }

    /// Of evaluating an expression.
    #[must_use]
    pub fn of_expression(known: Known<'_>, expr: &Expr) -> Self {
        let mut effects = Self { volatility: Volatility::Immutable, ..Self::default() };
        effects.expression(known, expr);
        effects
    }

    /// Whether rows of that entity may be updated or deleted.
    #[must_use]
    pub fn may_change(&self, entity: EntityId) -> bool {
        self.changes_any || self.changes.contains(&entity)
    }

    /// What happens to other rows when rows of this entity are removed.
    pub(crate) fn removal(&mut self, known: Known<'_>, entity: EntityId) {
        let removal = known.removed_with(entity);
        self.changes.extend(removal.changes());
        self.removes.extend(removal.removed);
    }

    fn at_least(&mut self, volatility: Volatility) {
        self.volatility = self.volatility.max(volatility);
    }

    fn touches(&mut self, known: Known<'_>, entity: EntityId) {
        self.for_tenant |= known.entities[entity.0].multi_tenant;
    }

    fn steps(&mut self, known: Known<'_>, steps: &[Step]) {
        for step in steps {
            self.step(known, step);
            step.branches().for_each(|branch| self.steps(known, branch));
        }
    }

    /// A step by itself.
    fn step(&mut self, known: Known<'_>, step: &Step) {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        step.expressions(&mut |expr| self.expression(known, expr));
        match &step.kind {
            StepKind::Validate { .. }
            | StepKind::If { .. }
            | StepKind::Reject { .. }
            | StepKind::CallFunction { .. } => {}
            StepKind::Insert { entity, .. } => {
                self.at_least(Volatility::Volatile);
                self.touches(known, *entity);
            }
            StepKind::Update { entity, .. } | StepKind::Delete { entity, .. } => {
                self.at_least(Volatility::Volatile);
                self.touches(known, *entity);
                self.changes.insert(*entity);
                if matches!(step.kind, StepKind::Delete { hard: true, .. }) {
                    self.removal(known, *entity);
                    self.removes.insert(*entity);
                }
            }
            StepKind::Find { entity, locks, .. } => {
                self.at_least(if *locks { Volatility::Volatile } else { Volatility::Stable });
                self.touches(known, *entity);
            }
            StepKind::Foreach(foreach) => {
                if let Source::Rows { entity, .. } = &foreach.source {
                    self.at_least(Volatility::Volatile);
                    self.touches(known, *entity);
                }
            }
            StepKind::CallAction(call) => {
                if call.bind.is_some() {
                    // The row that it reports is read.
                    self.at_least(Volatility::Stable);
                }
                self.called(known, call.action);
            }
            StepKind::Notify { .. } => self.at_least(Volatility::Volatile),
            StepKind::Return(value) => {
                if matches!(value, Return::Row(_)) {
                    self.at_least(Volatility::Stable);
                }
            }
            StepKind::CallService(call) => self.queued(known, call),
        }
    }

    /// Another action, which was looked at before: none where a circle is cut.
    fn called(&mut self, known: Known<'_>, action: ActionId) {
        let Some(callee) = (known.effects)(action) else { return };
        self.queues |= callee.queues;
        self.for_tenant |= callee.for_tenant;
        self.changes.extend(&callee.changes);
        self.removes.extend(&callee.removes);
        self.changes_any |= callee.changes_any;
        self.at_least(callee.volatility);
        for call in &callee.awaited {
            self.awaits(call.clone());
        }
        if callee.chain.0 >= self.chain.0 {
            self.chain = (callee.chain.0 + 1, Some(action));
        }
    }

    fn queued(&mut self, known: Known<'_>, call: &CallService) {
        self.queues = true;
        self.at_least(Volatility::Volatile);
        if call.wait {
            let delay = if let Start::Delay(seconds) = call.start { seconds } else { 0 };
            self.awaits(Awaited {
                service: call.service.clone(),
                operation: call.operation.clone(),
                ordinal: call.ordinal.clone(),
                seconds: delay.saturating_add(call.timeout_seconds.into()),
            });
        }
        // A callback runs later, in the tenant's name of this transaction; whom it waits for is its own affair.
        for callback in call.on_success.iter().chain(&call.on_failure) {
            let later = Self::of_steps(known, &callback.steps, true);
            self.for_tenant |= later.for_tenant;
            callback.carried.iter().for_each(|(_, row)| self.touches(known, callback.vars[row.0].entity));
            if later.chain.0 > self.chain.0 {
                self.chain = later.chain;
            }
        }
    }

    fn awaits(&mut self, call: Awaited) {
        if !self.awaited.contains(&call) {
            self.awaited.push(call);
        }
    }

    /// Whether an expression reads a table, the clock or a setting, or calls what does anything.
    fn expression(&mut self, known: Known<'_>, expr: &Expr) {
        match &expr.kind {
            ExprKind::Follow { entity, .. } | ExprKind::KeyOf { entity, .. } => {
                self.at_least(Volatility::Stable);
                self.touches(known, *entity);
            }
            ExprKind::OfRows(rows) => {
                self.at_least(Volatility::Stable);
                self.touches(known, rows.entity);
            }
            ExprKind::PublicId(base) => {
                self.at_least(Volatility::Stable);
                if let ExprType::Ref(entity) = base.ty {
                    self.touches(known, entity);
                }
            }
            ExprKind::Member { .. }
            | ExprKind::TextOf(_)
            | ExprKind::Job(_)
            | ExprKind::List(_)
            | ExprKind::Object { .. } => {
                self.at_least(Volatility::Stable);
            }
            ExprKind::Sequence { .. } => self.at_least(Volatility::Volatile),
            ExprKind::Each(each) => {
                self.at_least(Volatility::Stable);
                if let Source::Rows { entity, .. } = each.source {
                    self.touches(known, entity);
                }
            }
            ExprKind::Call { function, .. } => {
                self.at_least(Function::find(function).map_or(Volatility::Volatile, |function| function.volatility));
            }
            ExprKind::UserCall { function, .. } => {
                let volatility = known.entities[function.entity.0].functions[function.index].volatility;
                self.at_least(volatility);
                self.changes_any |= volatility == Volatility::Volatile;
            }
            _ => {}
        }
        expr.children(&mut |child| self.expression(known, child));
    }
}

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Known").field("entities", &self.entities.len()).finish_non_exhaustive()
    }
}
