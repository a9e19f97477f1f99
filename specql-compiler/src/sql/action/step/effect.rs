//! `call` and `notify`.

use super::Body;
use crate::{
    model::{CallAction, Expr},
    sql::{
        action::{
            input::{has_partial_update, input_default},
            input_type_name,
        },
        entity::tenant_and,
        expr::value_variable,
        quote::{literal, qualified, text_array},
        writer::list,
    },
};

impl Body<'_> {
    /// Runs another action's core; whatever it raises ends this action too.
    pub(super) fn call_action(&mut self, call: &CallAction) {
        let (entity, action) = self.scope.model.action(call.action);
        let partial = has_partial_update(&action.steps);
        let mut input: Vec<String> = action
            .input
            .iter()
            .map(|field| {
                let given = call.args.iter().find(|(name, _)| *name == field.name);
                match given {
                    Some((_, value)) => self.printer().public(value),
                    None => input_default(self.scope.model, field, partial).unwrap_or_else(|| "NULL".to_owned()),
                }
            })
            .collect();
        if partial {
            let given: Vec<&str> = call.args.iter().map(|(name, _)| name.as_str()).collect();
            input.push(text_array(&given));
        }
        let input = list("ROW(", &input, &format!(")::{}", qualified("app", &input_type_name(action))));
        let user = self.scope.user;
        let arguments = [self.scope.tenant.to_owned(), user.to_owned(), input];
        let function = list(&format!("{}(", qualified(&entity.schema, &action.name)), &arguments, ")");
        let joins = self.scope.collects_jobs && action.effects.queues;
        if !joins && call.bind.is_none() {
            self.w.line(format!("PERFORM {function};"));
            return;
        }
        self.w.line(format!("_called := {function};"));
        if joins {
            self.w.line("_jobs := _jobs || (_called.extra_metadata -> 'jobs');");
        }
        if let Some(bind) = call.bind
            && let Some(row) = self.scope.vars.get(bind.0)
        {
            let owner = self.scope.model.entity(row.entity);
            let mut statement = self.select_into(row.entity, bind);
            statement.push(format!("FROM {} AS t", qualified(&owner.schema, &owner.table())));
            statement.push(format!("WHERE t.id = _called.id{}", tenant_and(owner, "t", self.scope.tenant)));
            self.statement(&statement);
            self.not_found(&format!("{} reported no row", action.name));
        }
    }

    /// Calls a declared function; where nothing reads its value, it is only run.
    pub(super) fn call_function(&mut self, call: &Expr, bind: Option<&str>) {
        let call = self.printer().print(call);
        match bind.filter(|bind| self.scope.usage.read_values.contains(*bind)) {
            Some(bind) => self.w.line(format!("{} := {call};", value_variable(bind))),
            None => self.w.line(format!("PERFORM {call};")),
        }
    }

    pub(super) fn notify(&mut self, recipient: &Expr, channel: &str, message: &Expr) {
        let arguments = [
            self.printer().text(recipient),
            literal(channel),
            self.printer().text(message),
            self.scope.tenant.to_owned(),
            self.scope.user.to_owned(),
        ];
        self.w.line(format!("{};", list("PERFORM app.notify(", &arguments, ")")));
    }
}
