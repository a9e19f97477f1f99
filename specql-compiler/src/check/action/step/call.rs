//! `call`: another action, in the same transaction.

use std::collections::BTreeSet;

use super::super::{ActionChecker, Binding};
use crate::{
    check::expr::{Place, Want, type_of},
    diagnostics::rules::{
        sq0208_unknown_callable as unknown_callable, sq0209_call_argument as call_argument,
        sq0210_no_row_reported as no_row_reported,
    },
    model::{Action, ActionId, CallAction, Expr, StepKind},
    source::Spanned,
    syntax::expr::CallSyntax,
};

impl ActionChecker<'_> {
    pub(super) fn call(&mut self, call: &CallSyntax, bind: Option<&Spanned<String>>) -> Option<StepKind> {
        let Spanned { value: name, span } = &call.function;
        let actions = self.actions;
        let Some(id) = actions.find(self.entity, name) else {
            return self.report(unknown_callable::error(*span, name, actions.callable(self.entity)));
        };
        let callee = actions.checked(id)?; // A circle is reported already.
        let args = self.action_arguments(call, callee);
        let bind = match bind {
            Some(bind) => Some(self.bind_reported(bind, name, id, callee)?),
            None => None,
        };
        Some(StepKind::CallAction(Box::new(CallAction { action: id, args: args?, bind })))
    }

    /// The arguments, in the order of the action's inputs.
    fn action_arguments(&mut self, call: &CallSyntax, callee: &Action) -> Option<Vec<(String, Expr)>> {
        let function = &call.function;
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut args = Vec::new();
        let mut whole = true;
        for (name, value) in &call.args {
            let Some(position) = callee.input.iter().position(|input| input.name == name.value) else {
                let known = callee.input.iter().map(|input| input.name.as_str());
                self.diagnostics.push(call_argument::unknown(name.span, &function.value, &name.value, known));
                whole = false;
                continue;
            };
            if !seen.insert(&name.value) {
                self.diagnostics.push(call_argument::twice(name.span, &name.value));
                continue;
            }
            let input = &callee.input[position];
            let want =
                Want { ty: type_of(&input.ty), required: input.required, place: Place::Field(input.name.clone()) };
            match self.value(value, &want) {
                Some(value) => args.push((position, name.value.clone(), value)),
                None => whole = false,
            }
        }
        let missing: Vec<String> = callee
            .input
            .iter()
            .filter(|input| input.required && !seen.contains(input.name.as_str()))
            .map(|input| input.name.clone())
            .collect();
        // A misspelt argument is reported once, not as a missing one as well.
        if whole && !missing.is_empty() {
            self.diagnostics.push(call_argument::missing(function.span, &function.value, &missing));
            whole = false;
        }
        args.sort_by_key(|(position, ..)| *position);
        whole.then(|| args.into_iter().map(|(_, name, value)| (name, value)).collect())
    }

    /// `as:`: the row that the action reports.
    fn bind_reported(
        &mut self,
        bind: &Spanned<String>,
        name: &str,
        id: ActionId,
        callee: &Action,
    ) -> Option<crate::model::VarId> {
        let Some(entity) = callee.reported_entity() else {
            // An action with a mistake may report a row yet.
            if self.actions.get(id).syntax.complete {
                let several = !callee.reported().is_empty();
                self.diagnostics.push(no_row_reported::error(bind.span, name, several));
            }
            return None;
        };
        if !self.new_name(bind) {
            return None;
        }
        let var = self.frame_mut().new_var(&bind.value, entity);
        self.frame_mut().bindings.push((bind.value.clone(), Binding::Row(var)));
        Some(var)
    }
}
