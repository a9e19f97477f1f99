//! `call`: another action, in the same transaction, or a function that an entity declares.

use std::collections::BTreeSet;

use super::super::{ActionChecker, Binding};
use crate::{
    check::expr::{Place, Want, declared_call, type_of},
    diagnostics::rules::{
        sq0208_unknown_callable as unknown_callable, sq0209_call_argument as call_argument,
        sq0210_no_row_reported as no_row_reported, sq0218_misplaced_batches as misplaced_batches,
    },
    model::{Action, ActionId, CallAction, Expr, ExprKind, FunctionId, StepKind, expr::ExprType},
    source::Spanned,
    syntax::expr::CallSyntax,
};

impl ActionChecker<'_> {
    pub(super) fn call(&mut self, call: &CallSyntax, bind: Option<&Spanned<String>>) -> Option<StepKind> {
        let Spanned { value: name, span } = &call.function;
        let actions = self.actions;
        let Some(id) = actions.find(self.entity, name) else {
            if let Some(function) = self.declared_function(&call.function)? {
                return self.call_declared_function(call, function, bind);
            }
            let entities = self.project.entities.iter();
            let functions = entities.flat_map(|entity| &entity.functions).map(|function| function.name.as_str());
            let known: Vec<&str> = actions.callable(self.entity).chain(functions).collect();
            return self.report(unknown_callable::error(*span, name, known));
        };
        let callee = actions.checked(id)?; // A circle is reported already.
        if callee.is_in_batches() {
            return self.report(misplaced_batches::called(*span, name));
        }
        let args = self.action_arguments(call, callee);
        let bind = match bind {
            Some(bind) => Some(self.bind_reported(bind, name, id, callee)?),
            None => None,
        };
        Some(StepKind::CallAction(Box::new(CallAction { action: id, args: args?, bind })))
    }

    fn action_arguments(&mut self, call: &CallSyntax, callee: &Action) -> Option<Vec<(String, Expr)>> {
        let inputs = callee.input.iter().map(|input| {
            let place = Place::Field(input.name.clone());
            (input.name.as_str(), Want { ty: type_of(&input.ty), required: input.required, place }, input.required)
        });
        let args = self.arguments(call, &inputs.collect::<Vec<_>>())?;
        let named = callee.input.iter().zip(args);
        Some(named.filter_map(|(input, value)| Some((input.name.clone(), value?))).collect())
    }

    /// The value of each parameter, where it is given: its name, what it takes, and whether it must be given.
    fn arguments(&mut self, call: &CallSyntax, parameters: &[(&str, Want, bool)]) -> Option<Vec<Option<Expr>>> {
        let function = &call.function;
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut args: Vec<Option<Expr>> = vec![None; parameters.len()];
        let mut whole = true;
        for (name, value) in &call.args {
            let Some(position) = parameters.iter().position(|(known, ..)| *known == name.value) else {
                let known = parameters.iter().map(|(known, ..)| *known);
                self.diagnostics.push(call_argument::unknown(name.span, &function.value, &name.value, known));
                whole = false;
                continue;
            };
            if !seen.insert(&name.value) {
                self.diagnostics.push(call_argument::twice(name.span, &name.value));
                continue;
            }
            args[position] = self.value(value, &parameters[position].1);
            whole &= args[position].is_some();
        }
        let missing: Vec<String> = parameters
            .iter()
            .filter(|(name, _, needed)| *needed && !seen.contains(name))
            .map(|(name, ..)| (*name).to_owned())
            .collect();
        // A misspelt argument is reported once, not as a missing one as well.
        if whole && !missing.is_empty() {
            self.diagnostics.push(call_argument::missing(function.span, &function.value, &missing));
            whole = false;
        }
        whole.then_some(args)
    }

    /// A declared function: every argument is given, by name.
    fn call_declared_function(
        &mut self,
        call: &CallSyntax,
        id: FunctionId,
        bind: Option<&Spanned<String>>,
    ) -> Option<StepKind> {
        let project = self.project;
        let function = &project.entity(id.entity).functions[id.index];
        let parameters = function.args.iter().map(|parameter| {
            let place = Place::Argument(function.name.clone(), parameter.name.clone());
            let want = Want { ty: type_of(&parameter.ty), required: parameter.required, place };
            (parameter.name.as_str(), want, true)
        });
        let args = self.arguments(call, &parameters.collect::<Vec<_>>())?.into_iter().collect::<Option<_>>()?;
        // What a reference names is looked up where it is used; the function gives its public id.
        let value = match declared_call(id, function, args) {
            Expr { kind: ExprKind::KeyOf { id, .. }, .. } => *id,
            value => value,
        };
        let bind = match (bind, value.ty.clone()) {
            (Some(name), ExprType::Value(ty)) => {
                if !self.new_name(name) {
                    return None;
                }
                let frame = self.frame_mut();
                let variable = frame.new_value(&name.value, &ty);
                frame.bindings.push((
                    name.value.clone(),
                    Binding::Value(ExprKind::Value(variable.clone()), ty.clone(), value.nullable),
                ));
                Some((variable, ty))
            }
            _ => None,
        };
        Some(StepKind::CallFunction { call: value, bind })
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
