//! Actions: what they take, which row they work on, and their steps.

mod backfill;
mod counted;
mod inherit;
mod input;
mod order;
mod presence;
mod race;
mod row_check;
mod stale;
mod standard;
mod step;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use backfill::check_all as backfills;
use counted::Counting;
use inherit::Inherited;
pub(crate) use input::Inputs;
use order::{Actions, Listed};
use presence::Knowledge;
use race::Unlocked;
pub(crate) use row_check::check_all as row_checks;

use specql_registry::ValueType;

use super::{Project, expr::warn_of_slips, names};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0138_duplicate_name as duplicate_name, sq0203_action_without_steps as action_without_steps,
            sq0207_call_cycle as call_cycle,
        },
    },
    model::{
        Action, ActionId, CallbackKind, Effects, EntityId, ExprKind, Step, StepKind, Var, VarId, effects::Known,
        step::LoopKey,
    },
    source::{Span, Spanned},
    syntax::{
        entity::EntitySyntax,
        step::{StepKindSyntax, StepSyntax},
    },
};

/// How many actions may call each other in a row: PostgreSQL's stack has its end.
const LONGEST_CHAIN: usize = 64;

/// Checks the actions of all entities, in the order of the entities.
pub(crate) fn check_all(
    project: Project<'_>,
    written: &[&EntitySyntax],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<Action>> {
    let mut actions = Actions::list(project, written, diagnostics);
    let mut callbacks: BTreeMap<ActionId, Vec<(String, Span)>> = BTreeMap::new();
    let mut sequences: BTreeMap<ActionId, Vec<(String, Span)>> = BTreeMap::new();
    for id in actions.order(diagnostics) {
        let mut checker = ActionChecker::new(project, &actions, id);
        let mut action = checker.action(actions.get(id));
        diagnostics.append(&mut checker.diagnostics);
        let effects = |id| actions.checked(id).map(|action| &action.effects);
        let known = Known { entities: project.entities, effects: &effects };
        stale::mark(known, &action.vars, action.loads_current_row.into_iter().collect(), &mut action.steps);
        action.effects = Effects::of_action(known, id.entity, &action.steps, action.loads_current_row.is_some());
        if action.effects.chain.0 == LONGEST_CHAIN + 1 {
            diagnostics.push(too_long(&actions, id, &action));
        }
        callbacks.insert(id, checker.callbacks);
        sequences.insert(id, checker.sequences);
        actions.finish(id, action);
    }
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    for (key, span) in callbacks.into_values().flatten() {
        if let Some(first) = first.get(&key) {
            diagnostics.push(duplicate_name::callback(span, *first, &key));
        }
        first.entry(key).or_insert(span);
    }
    warn_of_slips(&sequences.into_values().flatten().collect::<Vec<_>>(), diagnostics);
    actions.into_checked()
}

/// Of the first action from which too many follow.
fn too_long(actions: &Actions<'_>, id: ActionId, action: &Action) -> Diagnostic {
    let name = |id| actions.get(id).syntax.name.value.clone();
    let mut names = vec![name(id)];
    let mut next = action.effects.chain.1;
    while let Some(id) = next {
        names.push(name(id));
        next = actions.checked(id).and_then(|action| action.effects.chain.1);
    }
    call_cycle::too_long(actions.get(id).syntax.name.span, &names, LONGEST_CHAIN)
}

/// Checks one action. What expressions mean depends on it: on its inputs, its rows and the step that is being checked.
#[derive(Debug)]
pub(crate) struct ActionChecker<'a> {
    /// What it may refer to.
    pub(super) project: Project<'a>,
    /// The actions that it may call.
    actions: &'a Actions<'a>,
    /// The entity that it belongs to.
    pub(super) entity: EntityId,
    /// What is wrong with it.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What it takes.
    pub(super) inputs: Inputs,
    /// The action itself, and the callbacks around the step that is being checked.
    pub(super) frames: Vec<Frame>,
    /// Set in `SET` and `WHERE`: bare names are columns of this entity.
    pub(super) statement: Option<EntityId>,
    /// No step is lost, so that an unknown variable is unknown indeed.
    pub(super) complete: bool,
    name: String,
    /// There is no action, but the row of a statement alone.
    pub(super) row_alone: bool,
    /// The action makes its current row itself.
    inserts_own: bool,
    /// The row that is loaded by `$input.id`.
    loaded: Option<VarId>,
    /// The last row of the own entity.
    result: Option<VarId>,
    /// How many calls of an operation there were.
    calls: BTreeMap<(String, String), u32>,
    /// The `as:` names of calls, which name callbacks.
    call_names: BTreeSet<String>,
    callbacks: Vec<(String, Span)>,
    /// Where `in_batches_of:` may stand: in the only step of an action.
    batches: Option<Span>,
    /// The sequences from which it takes numbers, with their schemas.
    pub(super) sequences: Vec<(String, Span)>,
    counting: Counting,
}

/// The steps of an action, or of a callback: what is known in them.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Which of the two.
    pub(super) kind: FrameKind,
    /// Every row variable, named or not.
    pub(super) vars: Vec<Var>,
    /// Which of them an insert made.
    inserted: BTreeSet<VarId>,
    /// Every variable that holds a value.
    values: Vec<(String, ValueType)>,
    /// The loops around this point, outermost first, with the entity whose rows they go through.
    pub(super) loops: Vec<(Option<EntityId>, LoopKey)>,
    /// The names that are known at this point; a later one hides an earlier one.
    pub(super) bindings: Vec<(String, Binding)>,
    /// What is known not to be NULL at this point, and what may be.
    known: Knowledge,
    /// The rows that were found and are not locked.
    unlocked: Vec<Unlocked>,
    /// The current row at this point.
    current: Option<VarId>,
    /// A callback's originating row, once a step touches it.
    row: Option<VarId>,
    /// A callback of a call that has a row.
    has_row: bool,
    /// A callback's rows that the steps around its call have bound, once a step names them.
    inherited: Vec<Inherited>,
}

/// What a [`Frame`] belongs to.
#[derive(Clone, Debug)]
pub(crate) enum FrameKind {
    /// The action itself.
    Action,
    /// A callback of a call of this operation.
    Callback {
        /// Success or failure.
        kind: CallbackKind,
        /// The service.
        service: String,
        /// The operation.
        operation: String,
    },
}

/// What a name given with `as:` stands for.
#[derive(Clone, Debug)]
pub(crate) enum Binding {
    /// A row.
    Row(VarId),
    /// A row that may not have been found: all its columns are NULL then.
    Optional(VarId),
    /// A value: what it is in an expression, its type, and whether it may be NULL.
    Value(ExprKind, ValueType, bool),
    /// A queued call.
    Job,
}

impl<'a> ActionChecker<'a> {
    fn new(project: Project<'a>, actions: &'a Actions<'a>, id: ActionId) -> Self {
        let syntax = actions.get(id).syntax;
        Self {
            project,
            actions,
            entity: id.entity,
            diagnostics: Vec::new(),
            inputs: Inputs::default(),
            frames: vec![Frame::new(FrameKind::Action, false)],
            statement: None,
            complete: syntax.complete,
            name: syntax.name.value.clone(),
            row_alone: false,
            inserts_own: false,
            loaded: None,
            result: None,
            calls: BTreeMap::new(),
            call_names: BTreeSet::new(),
            callbacks: Vec::new(),
            batches: None,
            sequences: Vec::new(),
            counting: Counting::default(),
        }
    }

    fn action(&mut self, listed: &Listed<'_>) -> Action {
        let Listed { syntax, wrapper } = listed;
        let mut action = Action {
            name: syntax.name.value.clone(),
            wrapper: wrapper.clone(),
            description: syntax.description.clone(),
            input: Vec::new(),
            vars: Vec::new(),
            loads_current_row: None,
            result: None,
            steps: Vec::new(),
            standard: false,
            not_implemented: false,
            effects: Effects::default(),
            origin: self.project.sources.origin(syntax.name.span),
        };
        self.declare_inputs(syntax);
        if syntax.steps.is_empty() && syntax.complete {
            match self.standard_body(syntax) {
                Some(steps) => {
                    action.steps = steps;
                    action.standard = true;
                }
                None => {
                    action.not_implemented = true;
                    let Spanned { value, span } = &syntax.name;
                    self.diagnostics.push(action_without_steps::warning(*span, value));
                }
            }
        } else {
            if let [StepSyntax { kind: StepKindSyntax::Foreach { batch: Some(batch), .. }, .. }] = &syntax.steps[..] {
                self.batches = Some(batch.span);
            }
            self.inserts_own = self.inserts(&syntax.steps);
            self.infer_insert_inputs(&syntax.steps);
            action.steps = self.steps(&syntax.steps);
            self.say_what_is_counted();
        }
        if let Some(row) = self.loaded {
            give_row(&mut action.steps, row);
            self.take_id(syntax);
        }
        action.input = std::mem::take(&mut self.inputs.fields);
        action.vars = std::mem::take(&mut self.frames[0].vars);
        action.loads_current_row = self.loaded;
        action.result = self.result.or(self.loaded);
        if action.result.is_none() && action.steps.iter().any(Step::ends) {
            // Only `return` reports: where it is always the same row, that is the result.
            if let [row] = action.reported()[..] {
                action.result = Some(row);
            }
        }
        action
    }

    /// Whether these steps, or those in their branches, insert a row of the own entity.
    fn inserts(&self, steps: &[StepSyntax]) -> bool {
        steps.iter().any(|step| match &step.kind {
            StepKindSyntax::Insert { entity, .. } => {
                // What is wrong with the name is reported when the step itself is checked.
                self.project.find_entity(&entity.value, entity.span, &mut Vec::new()) == Some(self.entity)
            }
            _ => step.branches().any(|branch| self.inserts(branch)),
        })
    }

    pub(super) fn frame(&self) -> &Frame {
        &self.frames[self.frames.len() - 1]
    }

    fn frame_mut(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// The current row. Asking for it makes an action load it, and a callback read it again.
    pub(super) fn current_row(&mut self) -> Option<VarId> {
        if let Some(var) = self.frame().current {
            return Some(var);
        }
        if !self.can_have_row() {
            return None;
        }
        let snake = self.project.entity(self.entity).snake.clone();
        let entity = self.entity;
        let is_action = self.frames.len() == 1;
        let frame = self.frame_mut();
        let var = frame.new_var(&snake, entity);
        frame.current = Some(var);
        if is_action {
            self.loaded = Some(var);
        } else {
            frame.row = Some(var);
        }
        Some(var)
    }

    /// Whether there is a current row at this point, or could be one if it was asked for.
    fn can_have_row(&self) -> bool {
        let frame = self.frame();
        frame.current.is_some() || if self.frames.len() == 1 { !self.inserts_own } else { frame.has_row }
    }
}

impl Frame {
    fn new(kind: FrameKind, has_row: bool) -> Self {
        Self {
            kind,
            vars: Vec::new(),
            inserted: BTreeSet::new(),
            values: Vec::new(),
            loops: Vec::new(),
            bindings: Vec::new(),
            known: Knowledge::default(),
            unlocked: Vec::new(),
            current: None,
            row: None,
            has_row,
            inherited: Vec::new(),
        }
    }

    /// The variable of that name for inserted rows of that entity: the one from another branch, else a new one.
    fn var(&mut self, name: &str, entity: EntityId) -> VarId {
        let known = self.vars.iter().position(|var| var.name == name && var.entity == entity).map(VarId);
        if let Some(var) = known.filter(|var| self.inserted.contains(var)) {
            return var;
        }
        let var = self.new_var(name, entity);
        self.inserted.insert(var);
        var
    }

    /// A variable of its own for rows of that entity, of that name if it is free.
    fn new_var(&mut self, name: &str, entity: EntityId) -> VarId {
        let name = unique(name, |name| self.vars.iter().any(|var| var.name == name));
        self.vars.push(Var { name, entity });
        VarId(self.vars.len() - 1)
    }

    /// A variable of its own for values of that type, of that name if it is free.
    fn new_value(&mut self, name: &str, ty: &ValueType) -> String {
        let name = unique(name, |name| self.values.iter().any(|(known, _)| known == name));
        self.values.push((name.clone(), ty.clone()));
        name
    }
}

/// `name`, or with a number behind it where that is taken.
fn unique(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut unique = name.to_owned();
    let mut number = 2;
    while taken(&unique) {
        unique = format!("{name}_{number}");
        number += 1;
    }
    unique
}

/// A row that is loaded before the first step is that of every call, even of those before the step that needed it.
fn give_row(steps: &mut [Step], row: VarId) {
    for step in steps {
        if let StepKind::CallService(call) = &mut step.kind {
            call.row.get_or_insert(row);
        }
        step.branches_mut().for_each(|branch| give_row(branch, row));
    }
}
