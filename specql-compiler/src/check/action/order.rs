//! Which actions there are, and which of them must be checked before which: an action's inputs may follow from its
//! steps, so what it calls comes first.

use std::collections::{BTreeMap, BTreeSet};

use super::{inherit::removed_by_steps, names};
use crate::{
    check::Project,
    diagnostics::{
        Diagnostic,
        rules::{
            sq0137_reserved_name as reserved_name, sq0138_duplicate_name as duplicate_name,
            sq0202_wrapper_collision as wrapper_collision, sq0207_call_cycle as call_cycle,
        },
    },
    model::{
        Action, ActionId, Entity, EntityId,
        names::{id_function, pk_function},
    },
    source::{Span, Spanned},
    syntax::{
        action::ActionSyntax,
        entity::EntitySyntax,
        step::{StepKindSyntax, StepSyntax},
    },
};

/// The actions of a project, while they are being checked.
#[derive(Debug, Default)]
pub(super) struct Actions<'a> {
    /// Those of each entity that have a name, in source order.
    listed: Vec<Vec<Listed<'a>>>,
    /// By the names of their public functions.
    wrappers: BTreeMap<String, ActionId>,
    /// Those that are checked.
    done: BTreeMap<ActionId, Action>,
    /// Those that a schedule calls.
    scheduled: BTreeSet<ActionId>,
    /// The entities of which steps of the project may remove rows from the table.
    removed: BTreeSet<EntityId>,
}

/// An action as it is written, and the name of its public function.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    pub(super) syntax: &'a ActionSyntax,
    pub(super) wrapper: String,
}

impl<'a> Actions<'a> {
    /// Lists the actions of all entities. Reports what is wrong with their names.
    pub(super) fn list(project: Project<'_>, written: &[&'a EntitySyntax], diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut actions = Self::default();
        let mut wrappers: BTreeMap<String, (Span, String)> = BTreeMap::new();
        let helpers = helpers(project);
        for (index, entity) in written.iter().enumerate() {
            let id = EntityId(index);
            let schema = project.entity(id).schema.as_str();
            let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
            let mut listed = Vec::new();
            for syntax in &entity.actions {
                let Spanned { value: name, span } = &syntax.name;
                if !names::check_identifier(&syntax.name, "an action", diagnostics) {
                    continue;
                }
                if let Some(owner) = helpers.get(&(schema, name.clone())) {
                    let reason = format!("SpecQL makes a function of that name for `{owner}`");
                    diagnostics.push(reserved_name::error(*span, "an action", name, &reason));
                    continue;
                }
                if let Some(first) = seen.get(name.as_str()) {
                    diagnostics.push(duplicate_name::action(*span, *first, name));
                    continue;
                }
                seen.insert(name, *span);
                let wrapper = match &syntax.wrapper {
                    Some(wrapper) if names::check_identifier(wrapper, "a wrapper", diagnostics) => &wrapper.value,
                    _ => name,
                };
                let at = syntax.wrapper.as_ref().map_or(*span, |wrapper| wrapper.span);
                match wrappers.get(wrapper) {
                    Some((first, other)) => {
                        let proposal = format!("{}_{name}", project.entity(id).snake);
                        diagnostics.push(wrapper_collision::error(at, *first, wrapper, other, &proposal));
                    }
                    None => {
                        wrappers.insert(wrapper.clone(), (at, entity.name.value.clone()));
                        actions.wrappers.insert(wrapper.clone(), ActionId { entity: id, index: listed.len() });
                    }
                }
                listed.push(Listed { syntax, wrapper: wrapper.clone() });
            }
            actions.listed.push(listed);
        }
        for (index, entity) in written.iter().enumerate() {
            let called = entity.schedules.iter().filter_map(|schedule| schedule.action.as_ref());
            let called: Vec<_> = called.filter_map(|name| actions.find(EntityId(index), &name.value)).collect();
            actions.scheduled.extend(called);
        }
        actions.removed = removed_by_steps(project, written);
        actions
    }

    /// Whether a schedule calls the action of that name.
    pub(super) fn is_scheduled(&self, entity: EntityId, name: &str) -> bool {
        self.find(entity, name).is_some_and(|action| self.scheduled.contains(&action))
    }

    /// Whether a step of the project may remove rows of this entity from the table.
    pub(super) fn may_remove(&self, entity: EntityId) -> bool {
        self.removed.contains(&entity)
    }

    pub(super) fn get(&self, id: ActionId) -> &Listed<'a> {
        &self.listed[id.entity.0][id.index]
    }

    /// What `name` means in a `call` of an action of `entity`: its own action of that name, else any action by the name
    /// of its public function.
    pub(super) fn find(&self, entity: EntityId, name: &str) -> Option<ActionId> {
        let own = self.listed[entity.0].iter().position(|action| action.syntax.name.value == name);
        own.map(|index| ActionId { entity, index }).or_else(|| self.wrappers.get(name).copied())
    }

    /// Every name that a `call` in an action of `entity` knows.
    pub(super) fn callable(&self, entity: EntityId) -> impl Iterator<Item = &str> {
        let own = self.listed[entity.0].iter().map(|action| action.syntax.name.value.as_str());
        own.chain(self.wrappers.keys().map(String::as_str))
    }

    /// An action that was checked before; none where a circle is cut.
    pub(super) fn checked(&self, id: ActionId) -> Option<&Action> {
        self.done.get(&id)
    }

    pub(super) fn finish(&mut self, id: ActionId, action: Action) {
        self.done.insert(id, action);
    }

    /// All that are checked, by entity, in source order.
    pub(super) fn into_checked(self) -> Vec<Vec<Action>> {
        let mut result: Vec<Vec<Action>> = self.listed.iter().map(|_| Vec::new()).collect();
        for (id, action) in self.done {
            result[id.entity.0].push(action);
        }
        result
    }

    /// Every action after those that it calls. Reports circles.
    pub(super) fn order(&self, diagnostics: &mut Vec<Diagnostic>) -> Vec<ActionId> {
        let mut visit = Visit { actions: self, state: BTreeMap::new(), order: Vec::new() };
        for (entity, listed) in self.listed.iter().enumerate() {
            for index in 0..listed.len() {
                visit.from(ActionId { entity: EntityId(entity), index }, diagnostics);
            }
        }
        visit.order
    }

    /// The actions that one calls, wherever in its steps.
    fn callees(&self, id: ActionId) -> Vec<(ActionId, Span)> {
        let mut calls = Vec::new();
        collect_calls(&self.get(id).syntax.steps, &mut calls);
        calls.iter().filter_map(|call| Some((self.find(id.entity, &call.value)?, call.span))).collect()
    }
}

/// A walk along calls, without recursion: chains may be long.
struct Visit<'v, 'a> {
    actions: &'v Actions<'a>,
    /// Whether an action is done; one that is there and not done is on the path.
    state: BTreeMap<ActionId, bool>,
    order: Vec<ActionId>,
}

impl Visit<'_, '_> {
    fn from(&mut self, start: ActionId, diagnostics: &mut Vec<Diagnostic>) {
        if self.state.contains_key(&start) {
            return;
        }
        self.state.insert(start, false);
        let mut path = vec![(start, self.actions.callees(start).into_iter())];
        while let Some((id, callees)) = path.last_mut() {
            let Some((callee, span)) = callees.next() else {
                self.state.insert(*id, true);
                self.order.push(*id);
                path.pop();
                continue;
            };
            match self.state.get(&callee) {
                Some(true) => {}
                Some(false) => {
                    let circle = path.iter().map(|(id, _)| *id).skip_while(|id| *id != callee).chain([callee]);
                    let names: Vec<String> = circle.map(|id| self.actions.get(id).syntax.name.value.clone()).collect();
                    diagnostics.push(call_cycle::error(span, &names));
                }
                None => {
                    self.state.insert(callee, false);
                    path.push((callee, self.actions.callees(callee).into_iter()));
                }
            }
        }
    }
}

fn collect_calls<'s>(steps: &'s [StepSyntax], calls: &mut Vec<&'s Spanned<String>>) {
    for step in steps {
        match &step.kind {
            StepKindSyntax::Call { call, .. } => calls.push(&call.function),
            StepKindSyntax::CallService(call) => {
                for callback in [&call.on_success, &call.on_failure].into_iter().flatten() {
                    collect_calls(&callback.steps, calls);
                }
            }
            _ => {}
        }
        step.branches().for_each(|branch| collect_calls(branch, calls));
    }
}

/// The functions that SpecQL makes for entities, by schema and name.
fn helpers<'p>(project: Project<'p>) -> BTreeMap<(&'p str, String), &'p str> {
    let of_entity = |entity: &'p Entity| {
        [pk_function(entity), id_function(entity)].map(|name| ((entity.schema.as_str(), name), entity.name.as_str()))
    };
    project.entities.iter().flat_map(of_entity).collect()
}
