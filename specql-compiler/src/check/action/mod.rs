//! Actions: what they take, which row they work on, and their steps.

mod input;
mod standard;
mod step;

use std::collections::{BTreeMap, BTreeSet};

pub use input::Inputs;

use super::{Project, names};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0137_reserved_name as reserved_name, sq0138_duplicate_name as duplicate_name,
            sq0202_wrapper_collision as wrapper_collision, sq0203_action_without_steps as action_without_steps,
        },
    },
    model::{
        Action, CallbackKind, EntityId, Step, StepKind, Var, VarId,
        names::{id_function, pk_function},
    },
    source::{Span, Spanned},
    syntax::{
        action::ActionSyntax,
        entity::EntitySyntax,
        step::{StepKindSyntax, StepSyntax},
    },
};

/// Checks the actions of all entities, in the order of the entities.
pub fn check_all(
    project: Project<'_>,
    written: &[&EntitySyntax],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<Action>> {
    let mut wrappers: BTreeMap<String, (Span, String)> = BTreeMap::new();
    let mut callbacks: BTreeMap<String, Span> = BTreeMap::new();
    let mut result = Vec::new();
    for (index, entity) in written.iter().enumerate() {
        let id = EntityId(index);
        let mut names: BTreeMap<&str, Span> = BTreeMap::new();
        let mut actions = Vec::new();
        for syntax in &entity.actions {
            let named = names::check_identifier(&syntax.name, "an action", diagnostics)
                && !is_helper(project, id, &syntax.name, diagnostics);
            if !named {
                continue;
            }
            let Spanned { value: name, span } = &syntax.name;
            if let Some(first) = names.get(name.as_str()) {
                diagnostics.push(duplicate_name::action(*span, *first, name));
                continue;
            }
            names.insert(name, *span);
            let mut checker = ActionChecker::new(project, id, syntax);
            let action = checker.action(syntax);
            diagnostics.append(&mut checker.diagnostics);
            for (key, span) in checker.callbacks {
                if let Some(first) = callbacks.get(&key) {
                    diagnostics.push(duplicate_name::callback(span, *first, &key));
                }
                callbacks.entry(key).or_insert(span);
            }
            let at = syntax.wrapper.as_ref().map_or(*span, |wrapper| wrapper.span);
            match wrappers.get(&action.wrapper) {
                Some((first, other)) => {
                    let proposal = format!("{}_{name}", project.entity(id).snake);
                    diagnostics.push(wrapper_collision::error(at, *first, &action.wrapper, other, &proposal));
                }
                None => {
                    wrappers.insert(action.wrapper.clone(), (at, entity.name.value.clone()));
                }
            }
            actions.push(action);
        }
        result.push(actions);
    }
    result
}

/// Checks one action. What expressions mean depends on it: on its inputs, its rows and the step that is being checked.
#[derive(Debug)]
pub struct ActionChecker<'a> {
    /// What it may refer to.
    pub(super) project: Project<'a>,
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
}

/// The steps of an action, or of a callback: what is known in them.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Which of the two.
    pub(super) kind: FrameKind,
    /// Every row variable, named or not.
    pub(super) vars: Vec<Var>,
    /// The names that are known at this point; a later one hides an earlier one.
    pub(super) bindings: Vec<(String, Binding)>,
    /// The current row at this point.
    current: Option<VarId>,
    /// A callback's originating row, once a step touches it.
    row: Option<VarId>,
    /// A callback of a call that has a row.
    has_row: bool,
}

/// What a [`Frame`] belongs to.
#[derive(Clone, Debug)]
pub enum FrameKind {
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
pub enum Binding {
    /// A row.
    Row(VarId),
    /// A queued call.
    Job,
}

impl<'a> ActionChecker<'a> {
    fn new(project: Project<'a>, entity: EntityId, syntax: &ActionSyntax) -> Self {
        Self {
            project,
            entity,
            diagnostics: Vec::new(),
            inputs: Inputs::default(),
            frames: vec![Frame::new(FrameKind::Action, false)],
            statement: None,
            complete: syntax.complete,
            name: syntax.name.value.clone(),
            inserts_own: false,
            loaded: None,
            result: None,
            calls: BTreeMap::new(),
            call_names: BTreeSet::new(),
            callbacks: Vec::new(),
        }
    }

    fn action(&mut self, syntax: &ActionSyntax) -> Action {
        let wrapper = match &syntax.wrapper {
            Some(wrapper) if names::check_identifier(wrapper, "a wrapper", &mut self.diagnostics) => &wrapper.value,
            _ => &syntax.name.value,
        };
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
            self.inserts_own = self.inserts(&syntax.steps);
            self.infer_insert_inputs(&syntax.steps);
            action.steps = self.steps(&syntax.steps);
        }
        if let Some(row) = self.loaded {
            give_row(&mut action.steps, row);
            self.take_id();
        }
        action.input = std::mem::take(&mut self.inputs.fields);
        action.vars = std::mem::take(&mut self.frames[0].vars);
        action.loads_current_row = self.loaded;
        action.result = self.result.or(self.loaded);
        action
    }

    /// Whether these steps, or those in their branches, insert a row of the own entity.
    fn inserts(&self, steps: &[StepSyntax]) -> bool {
        let own = &self.project.entity(self.entity);
        steps.iter().any(|step| match &step.kind {
            StepKindSyntax::Insert { entity, .. } => {
                entity.value == own.name || entity.value == format!("{}.{}", own.schema, own.name)
            }
            StepKindSyntax::If { then, otherwise, .. } => self.inserts(then) || self.inserts(otherwise),
            _ => false,
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
        let var = frame.var(&snake, entity);
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
        Self { kind, vars: Vec::new(), bindings: Vec::new(), current: None, row: None, has_row }
    }

    /// The variable of that name for rows of that entity: the one from another branch, else a new one.
    fn var(&mut self, name: &str, entity: EntityId) -> VarId {
        let known = self.vars.iter().position(|var| var.name == name && var.entity == entity);
        if let Some(index) = known {
            return VarId(index);
        }
        let taken = |name: &str| self.vars.iter().any(|var| var.name == name);
        let mut unique = name.to_owned();
        let mut number = 2;
        while taken(&unique) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        self.vars.push(Var { name: unique, entity });
        VarId(self.vars.len() - 1)
    }
}

/// Whether an action would have the name of a function that SpecQL makes in its schema, which is reported.
fn is_helper(project: Project<'_>, id: EntityId, name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let schema = &project.entity(id).schema;
    let helper = project
        .entities
        .iter()
        .find(|entity| entity.schema == *schema && [pk_function(entity), id_function(entity)].contains(&name.value));
    if let Some(entity) = helper {
        let reason = format!("SpecQL makes a function of that name for `{}`", entity.name);
        diagnostics.push(reserved_name::error(name.span, "an action", &name.value, &reason));
    }
    helper.is_some()
}

/// A row that is loaded before the first step is that of every call, even of those before the step that needed it.
fn give_row(steps: &mut [Step], row: VarId) {
    for step in steps {
        match &mut step.kind {
            StepKind::CallService(call) => {
                call.row.get_or_insert(row);
            }
            StepKind::If { then, otherwise, .. } => {
                give_row(then, row);
                give_row(otherwise, row);
            }
            _ => {}
        }
    }
}
