//! `call_service` as a call of `jobs.enqueue_step`.

use super::Body;
use crate::{
    model::{CallService, VarId, step::Start},
    sql::{
        expr::{job_variable, row_variable},
        quote::{ident, literal},
        view::json_object,
        writer::indented,
    },
};

impl Body<'_> {
    /// Queues the call in the function's own transaction.
    pub(super) fn call_service(&mut self, call: &CallService) {
        let bound = call.bind.as_deref().filter(|bind| self.scope.usage.job_ids.contains(*bind));
        let collects = self.scope.collects_jobs;
        match (collects, bound) {
            (true, _) => self.w.line("SELECT e.job_id, e.deduplicated INTO _job"),
            (false, Some(bind)) => self.w.line(format!("SELECT e.job_id INTO {}", job_variable(bind))),
            (false, None) => self.w.line("PERFORM e.job_id"),
        }
        self.w.line("FROM jobs.enqueue_step(");
        let arguments: Vec<String> =
            self.arguments(call).into_iter().map(|(name, value)| indented(&format!("{name} => {value}"))).collect();
        self.w.line(arguments.join(",\n"));
        self.w.line(") AS e;");
        if !collects {
            return;
        }
        if let Some(bind) = bound {
            self.w.line(format!("{} := _job.job_id;", job_variable(bind)));
        }
        let entry = [
            ("step", literal(&call.ordinal)),
            ("service", literal(&call.service)),
            ("operation", literal(&call.operation)),
            ("job_id", "_job.job_id".to_owned()),
            ("deduplicated", "_job.deduplicated".to_owned()),
        ];
        let entry: Vec<(String, String)> = entry.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.w.line(format!("_jobs := _jobs || {};", json_object(&entry)));
    }

    fn arguments(&self, call: &CallService) -> Vec<(&'static str, String)> {
        let printer = self.printer();
        let text = |value: &Option<crate::model::Expr>| value.as_ref().map_or_else(null, |value| printer.text(value));
        let row = call.row.and_then(|row| self.scope.vars.get(row.0));
        let entity = row.map(|row| self.scope.model.entity(row.entity));
        let identifier = row.zip(entity).map(|(row, entity)| {
            let tail = format!("_{}_{}_{}_{}", self.scope.identifier, call.ordinal, call.service, call.operation);
            let rounds = self.rounds(&call.rounds);
            format!(
                "{} || {}.id || {}{rounds}",
                literal(&format!("{}_", entity.name)),
                row_variable(row),
                literal(&tail)
            )
        });
        let key = row.zip(entity).map(|(row, entity)| format!("{}.{}", row_variable(row), ident(&entity.pk())));
        let callback = |callback: &Option<crate::model::Callback>| {
            callback.as_ref().map_or_else(null, |callback| literal(&callback.key))
        };
        let undigested = call.undigested(self.scope.model);
        let mut arguments = vec![
            ("_service", literal(&call.service)),
            ("_operation", literal(&call.operation)),
            ("_input_data", self.input_data(call)),
            ("_identifier", identifier.unwrap_or_else(null)),
            ("_idempotency_key", text(&call.idempotency_key)),
            ("_unique", literal(call.unique.name())),
            ("_tenant_id", self.scope.tenant.to_owned()),
            ("_triggered_by", self.scope.user.to_owned()),
            ("_correlation_id", text(&call.correlation)),
            ("_priority", call.priority.to_string()),
            ("_run_at", self.run_at(call)),
            ("_timeout_seconds", call.timeout_seconds.to_string()),
            ("_max_attempts", call.max_attempts.to_string()),
            ("_entity_type", entity.map_or_else(null, |entity| literal(&entity.name))),
            ("_entity_pk", key.unwrap_or_else(null)),
            ("_on_success", callback(&call.on_success)),
            ("_on_failure", callback(&call.on_failure)),
        ];
        if !undigested.is_empty() {
            let names: Vec<String> = undigested.into_iter().map(literal).collect();
            arguments.push(("_undigested", format!("ARRAY[{}]", names.join(", "))));
        }
        // Left out where the operation's own applies, so that what was generated before stays as it is.
        arguments.extend(call.give_up_after_seconds.map(|seconds| ("_give_up_seconds", seconds.to_string())));
        let id = |row: &VarId| format!("{}.id", self.scope.vars.get(row.0).map(row_variable).unwrap_or_default());
        let carried: Vec<(String, String)> = call.carries.iter().map(|(name, row)| (name.clone(), id(row))).collect();
        arguments.extend(Some(carried).filter(|rows| !rows.is_empty()).map(|rows| ("_rows", json_object(&rows))));
        arguments
    }

    /// The input document. Fields without a value are left out, so that the operation's defaults apply.
    fn input_data(&self, call: &CallService) -> String {
        let pairs: Vec<(String, String)> =
            call.input.iter().map(|(name, value)| (name.clone(), self.printer().public(value))).collect();
        let object = json_object(&pairs);
        if call.input.iter().any(|(_, value)| value.nullable) { format!("app.without_nulls({object})") } else { object }
    }

    fn run_at(&self, call: &CallService) -> String {
        match &call.start {
            Start::Now => null(),
            Start::Delay(seconds) => format!("now() + make_interval(secs => {seconds})"),
            Start::At(time) => self.printer().print(time),
        }
    }
}

fn null() -> String {
    "NULL".to_owned()
}
