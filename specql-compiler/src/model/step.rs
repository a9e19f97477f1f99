//! The steps of actions and callbacks.

use specql_registry::{ValueType, service::Unique};

use super::{
    ActionId, EntityId, Expr, ExprKind, Model, Var, VarId,
    expr::{ColumnRef, SystemColumn},
    function::{Function, Volatility},
};
use crate::source::Origin;

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// The rows that it may have changed behind the backs of their variables, where a later step reads them: they are read again.
    /// Of a `foreach`: its own row, where other rounds may have changed it; it is read again before the steps of a round.
    pub stale: Vec<VarId>,
    /// Where it is written.
    pub origin: Origin,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// Ends the action with `validation:<error>` unless the condition is true (NULL is not true).
    Validate {
        /// A boolean.
        condition: Expr,
        /// The code after `validation:`.
        error: String,
        /// For people.
        message: Option<Expr>,
    },
    /// Inserts a row.
    Insert {
        /// Into this entity's table.
        entity: EntityId,
        /// Field and value; fields that are absent take their default.
        values: Vec<Assignment>,
        /// Holds the new row from here on.
        bind: VarId,
    },
    /// Updates rows.
    Update {
        /// Of this entity's table.
        entity: EntityId,
        /// Field and value.
        set: Vec<Assignment>,
        /// Which rows.
        target: Target,
        /// A standard `update_…` body: an assignment whose input key is missing leaves the field alone.
        partial: bool,
    },
    /// Deletes rows.
    Delete {
        /// Of this entity's table.
        entity: EntityId,
        /// Which rows.
        target: Target,
        /// Really, instead of setting `deleted_at`.
        hard: bool,
    },
    /// A branch.
    If {
        /// A boolean; NULL is not true.
        condition: Expr,
        /// When true.
        then: Vec<Step>,
        /// Otherwise.
        otherwise: Vec<Step>,
    },
    /// Looks for the first live row for which the condition is true.
    Find {
        /// In this entity's table.
        entity: EntityId,
        /// Columns are [`super::ExprKind::Column`]. `None`: any row.
        condition: Option<Expr>,
        /// The columns by which rows are ordered, and whether the greatest value comes first; behind all of them the key.
        order: Vec<(ColumnRef, bool)>,
        /// Holds the row from here on.
        bind: VarId,
        /// When there is none, the variable holds a row of NULLs; else that is `not_found`.
        optional: bool,
        /// It is locked until the end of the transaction: by `lock: true`, or because it becomes the current row.
        locks: bool,
    },
    /// Does its steps once for each element.
    Foreach(Box<Foreach>),
    /// Runs another action in the same transaction.
    CallAction(Box<CallAction>),
    /// Calls a function that an entity declares.
    CallFunction {
        /// The call: [`super::ExprKind::UserCall`].
        call: Expr,
        /// The variable that holds its value from here on, and its type.
        bind: Option<(String, ValueType)>,
    },
    /// Writes a row of `app.tb_notification` and tells the listeners of the channel.
    Notify {
        /// As text.
        recipient: Expr,
        /// Of `pg_notify`.
        channel: String,
        /// A text.
        message: Expr,
    },
    /// Ends the action with success, or the callback.
    Return(Return),
    /// Ends the action with `failed:<code>`.
    Reject {
        /// The code after `failed:`.
        code: String,
    },
    /// Queues a call.
    CallService(Box<CallService>),
}

/// `field = value`.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// A column of the statement's entity: a declared field, or `identifier`.
    pub column: ColumnRef,
    /// Its new value, already of the column's type (for a ref: the target's UUID, or a row's `pk`, see
    /// [`super::ExprKind`]).
    pub value: Expr,
}

/// Which rows a statement works on.
#[derive(Clone, Debug)]
pub enum Target {
    /// The row in this variable, by primary key; the variable is read again afterwards.
    Row(VarId),
    /// All rows for which this is true; columns are [`super::ExprKind::Column`].
    Where(Expr),
}

impl Target {
    /// The condition, where that says which rows.
    #[must_use]
    pub const fn condition(&self) -> Option<&Expr> {
        match self {
            Self::Row(_) => None,
            Self::Where(condition) => Some(condition),
        }
    }
}

/// A `foreach`.
#[derive(Clone, Debug)]
pub struct Foreach {
    /// What it goes through.
    pub source: Source,
    /// What is done with each.
    pub steps: Vec<Step>,
}

/// What a `foreach` goes through, or a list that is made of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Live rows, locked before the first round, in the order of their keys.
    Rows {
        /// Of this entity's table.
        entity: EntityId,
        /// Columns are [`super::ExprKind::Column`]. `None`: all rows.
        condition: Option<Expr>,
        /// In which order the rounds go through them: as for [`StepKind::Find`].
        order: Vec<(ColumnRef, bool)>,
        /// How many of them at most, the first ones in that order: a whole number that is not NULL.
        limit: Option<Expr>,
        /// So many of them at most where a schedule calls, behind those of its call before (`jobs.call_scheduled`).
        batch: Option<u32>,
        /// Holds the row of this round.
        bind: VarId,
    },
    /// The elements of a list, in its order.
    Values {
        /// A list, or JSON that must be one.
        list: Expr,
        /// The variable, unique in its function: [`super::ExprKind::Value`], in a list that is made
        /// [`super::ExprKind::Element`].
        bind: String,
        /// The type of the elements.
        element: ValueType,
    },
}

/// What tells a round of a `foreach` from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoopKey {
    /// The public id of the row.
    Row(VarId),
    /// The place in the list, from 1, of the value in this variable.
    Position(String),
}

/// A call of another action.
#[derive(Clone, Debug)]
pub struct CallAction {
    /// Which one.
    pub action: ActionId,
    /// Input and value; what is absent takes its default.
    pub args: Vec<(String, Expr)>,
    /// Holds the row that it reports.
    pub bind: Option<VarId>,
}

/// What a `return` reports.
#[derive(Clone, Debug)]
pub enum Return {
    /// What the end of the steps would report.
    Nothing,
    /// This row.
    Row(VarId),
    /// The same as the end of the steps, and a message.
    Message(Expr),
    /// The same as the end of the steps, and a value in `extra_metadata.return`.
    Value(Expr),
}

/// A queued call of a service.
#[derive(Clone, Debug)]
pub struct CallService {
    /// The service.
    pub service: String,
    /// Its operation.
    pub operation: String,
    /// `<n>`: the step's `as:` name, else its ordinal (from 1) among the action's calls of this operation.
    pub ordinal: String,
    /// Input field and value, in the order of the operation's schema; fields that were not given are absent and
    /// get their default in the worker (or here, when it is a constant).
    pub input: Vec<(String, Expr)>,
    /// Seconds; always set.
    pub timeout_seconds: u32,
    /// Attempts in all; always set.
    pub max_attempts: u32,
    /// `give_up_after`, in seconds; absent: the operation's own applies.
    pub give_up_after_seconds: Option<u32>,
    /// What a second call with the same identifier does.
    pub unique: Unique,
    /// `correlation_field`, as text.
    pub correlation: Option<Expr>,
    /// `idempotency_key`, as text.
    pub idempotency_key: Option<Expr>,
    /// When it may start.
    pub start: Start,
    /// Higher first.
    pub priority: i32,
    /// The row in whose name it is queued: its entity, key and identifier are recorded with the job, and callbacks
    /// read it again.
    pub row: Option<VarId>,
    /// The loops around it, outermost first: the identifier ends in them.
    pub rounds: Vec<LoopKey>,
    /// `as:`; `$payment.job_id` is [`super::ExprKind::JobId`].
    pub bind: Option<String>,
    /// The rows that its callbacks name besides: the job carries their public ids, by name.
    pub carries: Vec<(String, VarId)>,
    /// `async: false`: the typed Rust function returns only when the job is done.
    pub wait: bool,
    /// Runs in the transaction that completes the job.
    pub on_success: Option<Callback>,
    /// Runs in the transaction that ends the job as failed.
    pub on_failure: Option<Callback>,
}

impl CallService {
    /// The inputs that differ in each call although the same is asked: they do not tell one call from another.
    pub fn undigested<'a>(&'a self, model: &Model) -> Vec<&'a str> {
        self.input.iter().filter(|(_, value)| differs_each_time(model, value)).map(|(name, _)| &**name).collect()
    }
}

/// Whether an expression has another value each time: it reads the clock, draws, or asks who changed a row and when.
fn differs_each_time(model: &Model, expr: &Expr) -> bool {
    let column = |column: &ColumnRef| match column {
        ColumnRef::Field(_) => false,
        ColumnRef::System(column) => {
            !matches!(column, SystemColumn::Id | SystemColumn::Identifier | SystemColumn::TenantId)
        }
    };
    let mut differs = match &expr.kind {
        ExprKind::Call { function, .. } => {
            let volatile = |found: &Function| found.volatility == Volatility::Volatile;
            *function == "now" || Function::find(function).is_none_or(volatile)
        }
        ExprKind::UserCall { function, .. } => model.function(*function).volatility == Volatility::Volatile,
        ExprKind::Column { column: read, .. }
        | ExprKind::VarColumn { column: read, .. }
        | ExprKind::Follow { column: read, .. } => column(read),
        ExprKind::JobId(_) | ExprKind::Sequence { .. } => true,
        _ => false,
    };
    expr.children(&mut |child| differs = differs || differs_each_time(model, child));
    differs
}

/// When a call may start.
#[derive(Clone, Debug, Default)]
pub enum Start {
    /// As soon as the transaction commits.
    #[default]
    Now,
    /// So many seconds later.
    Delay(u64),
    /// At this point in time.
    At(Expr),
}

/// The steps that follow a call, compiled to a function of their own.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Key in `jobs.tb_callback`: `<schema>.<function>`, before any shortening. Unique.
    pub key: String,
    /// Schema of the function: the entity's.
    pub schema: String,
    /// `cb_<entity>_<action>_<n>_<service>_<operation>_{success|failure}`, shortened to 63 bytes.
    pub function: String,
    /// Success or failure.
    pub kind: CallbackKind,
    /// Row variables of this callback.
    pub vars: Vec<Var>,
    /// The originating row, read again and locked before the first step. `None`: the call had no row, or no step of
    /// the callback works on it.
    pub row: Option<VarId>,
    /// The rows whose ids the job carries ([`CallService::carries`]), by name: read again and locked like that one. Each may be gone.
    pub carried: Vec<(String, VarId)>,
    /// The steps.
    pub steps: Vec<Step>,
    /// Where it is written.
    pub origin: Origin,
}

impl Callback {
    /// The rows that are there before its first step.
    pub fn rows(&self) -> impl Iterator<Item = VarId> {
        self.row.into_iter().chain(self.carried.iter().map(|(_, row)| *row))
    }
}

/// Which end of a job a callback follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallbackKind {
    /// `on_success`.
    Success,
    /// `on_failure`.
    Failure,
}

impl CallbackKind {
    /// The name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

impl Step {
    /// The lists of steps inside this one, without those of callbacks.
    pub fn branches(&self) -> impl Iterator<Item = &[Self]> {
        let (first, second): (&[Self], &[Self]) = match &self.kind {
            StepKind::If { then, otherwise, .. } => (then, otherwise),
            StepKind::Foreach(foreach) => (&foreach.steps, &[]),
            _ => (&[], &[]),
        };
        [first, second].into_iter()
    }

    /// The same, to be changed.
    pub fn branches_mut(&mut self) -> impl Iterator<Item = &mut [Self]> {
        let (first, second): (&mut [Self], &mut [Self]) = match &mut self.kind {
            StepKind::If { then, otherwise, .. } => (then, otherwise),
            StepKind::Foreach(foreach) => (&mut foreach.steps, &mut []),
            _ => (&mut [], &mut []),
        };
        [first, second].into_iter()
    }

    /// Visits the expressions of this very step, not those of its branches or callbacks.
    pub fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        let assigned = |assignments: &'a [Assignment]| assignments.iter().map(|assignment| &assignment.value);
        match &self.kind {
            StepKind::Validate { condition, message, .. } => {
                visit(condition);
                message.iter().for_each(visit);
            }
            StepKind::If { condition, .. } => visit(condition),
            StepKind::Insert { values, .. } => assigned(values).for_each(visit),
            StepKind::Update { set, target, .. } => {
                assigned(set).for_each(&mut *visit);
                target.condition().into_iter().for_each(visit);
            }
            StepKind::Delete { target, .. } => target.condition().into_iter().for_each(visit),
            StepKind::Find { condition, .. } => condition.iter().for_each(visit),
            StepKind::Foreach(foreach) => match &foreach.source {
                Source::Rows { condition, limit, .. } => condition.iter().chain(limit).for_each(visit),
                Source::Values { list, .. } => visit(list),
            },
            StepKind::CallAction(call) => call.args.iter().for_each(|(_, value)| visit(value)),
            StepKind::CallFunction { call, .. } => visit(call),
            StepKind::Notify { recipient, message, .. } => {
                visit(recipient);
                visit(message);
            }
            StepKind::Return(Return::Message(value) | Return::Value(value)) => visit(value),
            StepKind::Return(Return::Nothing | Return::Row(_)) | StepKind::Reject { .. } => {}
            StepKind::CallService(call) => {
                call.input.iter().for_each(|(_, value)| visit(value));
                call.correlation.iter().chain(&call.idempotency_key).for_each(&mut *visit);
                if let Start::At(time) = &call.start {
                    visit(time);
                }
            }
        }
    }

    /// The variable that holds a row from here on.
    #[must_use]
    pub fn binds(&self) -> Option<VarId> {
        match &self.kind {
            StepKind::Insert { bind, .. } | StepKind::Find { bind, .. } => Some(*bind),
            StepKind::CallAction(call) => call.bind,
            _ => None,
        }
    }

    /// Visits this step and those inside it, not those of callbacks.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        for step in self.branches().flatten() {
            step.walk(visit);
        }
    }

    /// Whether no step after this one is ever reached.
    #[must_use]
    pub fn ends(&self) -> bool {
        match &self.kind {
            StepKind::Reject { .. } | StepKind::Return(_) => true,
            StepKind::If { then, otherwise, .. } => {
                let ends = |steps: &[Self]| steps.iter().any(Self::ends);
                ends(then) && ends(otherwise)
            }
            _ => false,
        }
    }
}
