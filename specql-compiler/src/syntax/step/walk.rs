//! Which expressions stand in a step.

use super::{ReturnSyntax, StepKindSyntax, StepSyntax};
use crate::syntax::expr::{Ast, SourceSyntax};

impl StepSyntax {
    /// Visits the expressions of this very step, not those of its branches or callbacks.
    pub fn expressions<'a>(&'a self, visit: &mut dyn FnMut(&'a Ast)) {
        match &self.kind {
            StepKindSyntax::Validate { condition, message, .. } => {
                visit(condition);
                message.iter().for_each(visit);
            }
            StepKindSyntax::Insert { values, .. } => {
                values.iter().flat_map(|values| &values.list).for_each(|(_, value)| visit(value));
            }
            StepKindSyntax::Update { set, condition, .. } => {
                set.iter().for_each(|(_, value)| visit(value));
                condition.iter().for_each(visit);
            }
            StepKindSyntax::Delete { rows, .. } | StepKindSyntax::Find { rows, .. } => {
                rows.condition.iter().for_each(visit);
            }
            StepKindSyntax::If { condition, .. } => visit(condition),
            StepKindSyntax::Foreach { head, .. } => match &head.source {
                SourceSyntax::Rows { rows, limit, .. } => rows.condition.iter().chain(limit).for_each(visit),
                SourceSyntax::Values(list) => visit(list),
            },
            StepKindSyntax::Call { call, .. } => call.args.iter().for_each(|(_, value)| visit(value)),
            StepKindSyntax::Notify(notify) => {
                visit(&notify.recipient);
                visit(&notify.message);
            }
            StepKindSyntax::Return(ReturnSyntax::Words(value) | ReturnSyntax::Value(value)) => visit(value),
            StepKindSyntax::Return(ReturnSyntax::Nothing) | StepKindSyntax::Reject { .. } => {}
            StepKindSyntax::CallService(call) => {
                call.input.list.iter().for_each(|(_, value)| visit(value));
                call.correlation.iter().chain(&call.idempotency_key).chain(&call.run_at).for_each(visit);
            }
        }
    }
}
