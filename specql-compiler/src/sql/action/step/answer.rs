//! The end of an action: what it reports. The end of a callback.

use specql_registry::ValueType;

use super::{Body, any_step, deletes};
use crate::{
    model::{Expr, Return, Step, StepKind, VarId, expr::ExprType},
    sql::{
        entity::tenant_and,
        expr::row_variable,
        quote::qualified,
        types::{is_text_in_json, sql_type},
        writer::list,
    },
};

/// What an action answers with when its steps succeed.
#[derive(Clone, Copy)]
pub(in super::super) struct Answer<'a> {
    /// The row that is reported where no `return` names another.
    pub result: Option<VarId>,
    /// All steps of the action.
    pub steps: &'a [Step],
}

/// What goes beyond the row.
#[derive(Default)]
struct Extras {
    message: Option<String>,
    returned: Option<String>,
}

impl Body<'_> {
    /// `return`.
    pub(super) fn finish_with(&mut self, value: &Return) {
        let Some(answer) = self.scope.answer else {
            self.w.line("RETURN;");
            return;
        };
        let (row, extras) = match value {
            Return::Nothing => (answer.result, Extras::default()),
            Return::Row(row) => (Some(*row), Extras::default()),
            Return::Message(message) => {
                let message = Some(self.printer().text(message));
                (answer.result, Extras { message, ..Extras::default() })
            }
            Return::Value(value) => {
                let returned = Some(self.json(value));
                (answer.result, Extras { returned, ..Extras::default() })
            }
        };
        self.answer(answer, row, &extras);
    }

    /// What an action answers when its last step is done.
    pub(in super::super) fn end(&mut self) {
        if let Some(answer) = self.scope.answer {
            self.w.blank();
            self.answer(answer, answer.result, &Extras::default());
        }
    }

    fn answer(&mut self, answer: Answer<'_>, row: Option<VarId>, extras: &Extras) {
        let (id, data) = match row.and_then(|var| Some((var, self.scope.vars.get(var.0)?))) {
            None => ("NULL".to_owned(), "NULL".to_owned()),
            Some((var, row)) => {
                let entity = self.scope.model.entity(row.entity);
                let id = format!("{}.id", row_variable(row));
                let view = qualified(&entity.schema, &entity.view());
                let tenant = tenant_and(entity, "d", self.scope.tenant);
                let live = format!("(SELECT d.data FROM {view} AS d WHERE d.id = {id}{tenant})");
                (id, self.data(answer, var, live))
            }
        };
        let fields = if row.is_some() && row == self.scope.result { "_updated_fields" } else { "ARRAY[]::TEXT[]" };
        let jobs = if self.scope.usage.queues { "_jobs" } else { "'[]'::jsonb" };
        let mut arguments = vec![id, data, fields.to_owned(), jobs.to_owned()];
        arguments.extend(extras.message.as_ref().map(|message| format!("_message => {message}")));
        arguments.extend(extras.returned.as_ref().map(|returned| format!("_returned => {returned}")));
        let arguments: Vec<String> = arguments.iter().map(|argument| format!("    {argument}")).collect();
        self.w.line(format!("RETURN app.success(\n{});", arguments.join(",\n")));
    }

    /// What a deleted row was is known from before; the view no longer shows it.
    fn data(&self, answer: Answer<'_>, var: VarId, live: String) -> String {
        let always = answer.steps.iter().any(|step| deletes(step, var));
        let returns = any_step(answer.steps, |step| matches!(step.kind, StepKind::Return(_)));
        if self.scope.deleted != Some(var) {
            live
        } else if always && !returns {
            "_object_data".to_owned()
        } else {
            format!("coalesce(_object_data, {live})")
        }
    }

    /// A value as JSON, in the shape that views give it.
    fn json(&self, value: &Expr) -> String {
        let printer = self.printer();
        let text = match &value.ty {
            ExprType::Value(ty) if sql_type(ty) == "JSONB" => return printer.print(value),
            ExprType::Value(ValueType::List(item)) if is_text_in_json(item) => {
                format!("({})::text[]", printer.print(value))
            }
            ExprType::Value(ty) if is_text_in_json(ty) => printer.text(value),
            _ => printer.public(value),
        };
        list("to_jsonb(", &[text], ")")
    }
}
