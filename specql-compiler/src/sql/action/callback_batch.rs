//! A callback over a whole batch of jobs, where it is one update of each job's own row.
//!
//! One UPDATE for a hundred rows costs less than a hundred calls of a function. It has the same meaning: the expressions
//! are printed by the same printer, and nothing in them can tell in which order the rows come. Whoever calls it gives it
//! jobs of one tenant and each row once, and runs the callback job by job where this form raises.

use super::{
    super::{
        entity::tenant_and,
        object::{Need, Object},
        quote::{ident, qualified},
        usage::Usage,
        writer::{Writer, list},
    },
    Function, Volatility,
    callback::{TENANT, USER},
    source_line,
    step::{Body, Scope},
};
use crate::model::{
    CallService, Callback, CallbackKind, EntityId, Expr, ExprKind, Model, Step, StepKind, names,
    step::{Assignment, Target},
};

/// The parameter, and the columns of `jobs.called_job` under the names that a callback's expressions use.
const JOBS: &str = "_jobs";
const CONTEXT: &str = "_context (
    _job_run_id, entity_pk, tenant_id, triggered_by, service_name, operation, correlation_id, attempts, ";

/// The planner knows neither how many jobs come nor, in a new table, how many rows there are: by key is always right.
const BY_KEY: &str = "\nSET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off SET jit = off";

/// The update that a callback of this kind consists of.
struct OwnUpdate<'a> {
    step: &'a Step,
    entity: EntityId,
    set: &'a [Assignment],
}

impl<'a> OwnUpdate<'a> {
    fn of(callback: &'a Callback) -> Option<Self> {
        let [step] = callback.steps.as_slice() else { return None };
        let StepKind::Update { entity, set, target: Target::Row(row), partial: false } = &step.kind else {
            return None;
        };
        // What else a job carries is of that job alone.
        let own = callback.row == Some(*row) && callback.carried.is_empty();
        let alike = set.iter().all(|assignment| any_order(&assignment.value, *entity));
        (own && alike).then_some(Self { step, entity: *entity, set })
    }
}

/// Whether the value is the same whichever rows of this entity were updated before.
fn any_order(value: &Expr, updated: EntityId) -> bool {
    let mut fits = match &value.kind {
        // Reads other rows of the entity, or whatever its author liked. Rows that a callback asks for may have to be there.
        ExprKind::Follow { entity, .. } => *entity != updated,
        // So does a list that is made of rows; and its variable is not the row of the job.
        ExprKind::UserCall { .. } | ExprKind::OfRows(_) | ExprKind::Each(_) | ExprKind::Sequence { .. } => false,
        _ => true,
    };
    value.children(&mut |child| fits &= any_order(child, updated));
    fits
}

/// The name of the callback's function for many jobs, where it has one.
pub(super) fn batch_function(callback: &Callback) -> Option<String> {
    OwnUpdate::of(callback)?;
    let full = callback.key.strip_prefix(&format!("{}.", callback.schema)).unwrap_or(&callback.function);
    Some(names::derived(&format!("{full}_batch")))
}

/// The callback's function for many jobs, where it has one.
pub(in super::super) fn function(model: &Model, call: &CallService, callback: &Callback) -> Option<Object> {
    let update = OwnUpdate::of(callback)?;
    let name = batch_function(callback)?;
    let entity = model.entity(update.entity);
    let usage = Usage::of(model, &callback.vars, &callback.steps);
    let scope = Scope {
        model,
        vars: &callback.vars,
        usage: &usage,
        tenant: TENANT,
        row: Some("t"),
        user: USER,
        result: None,
        deleted: None,
        answer: None,
        identifier: &callback.function,
        collects_jobs: false,
    };
    let (result, when) = match callback.kind {
        CallbackKind::Success => ("_output_data", "have succeeded"),
        CallbackKind::Failure => ("_error", "have failed for good"),
    };
    let table = qualified(&entity.schema, &entity.table());
    let pk = ident(&entity.pk());
    let from = format!("unnest({JOBS}) AS {CONTEXT}{result}\n)");
    let same_row = format!("t.{pk} = _context.entity_pk{}", tenant_and(entity, "t", TENANT));

    let mut w = Writer::default();
    w.line("DECLARE");
    w.line("    _locked BIGINT;");
    w.line("BEGIN");
    w.open();
    w.line(format!(
        "-- Each {} as it is now, locked until the end of the transaction, in the order of keys.",
        entity.name
    ));
    w.line("PERFORM 1");
    w.line(format!("FROM {table} AS t"));
    w.line(format!("JOIN {from}"));
    w.line(format!("ON {same_row}"));
    w.line(format!("ORDER BY t.{pk}"));
    w.line("FOR NO KEY UPDATE OF t;");
    w.line("GET DIAGNOSTICS _locked = ROW_COUNT;");
    w.line(format!("IF _locked < cardinality({JOBS}) THEN"));
    w.line("    RAISE EXCEPTION USING ERRCODE = 'SQ001', MESSAGE = 'not_found', DETAIL = 'the row of a job is gone';");
    w.line("END IF;");
    w.blank();
    w.line(source_line(&update.step.origin, &format!("update {}", entity.name)));
    let mut body = Body::new(scope, w);
    let set = body.sets(update.entity, update.set, false);
    body.statement(&[
        format!("UPDATE {table} AS t"),
        list("SET ", &set, ""),
        format!("FROM {from}"),
        format!("WHERE {same_row}"),
    ]);
    let mut w = body.finish();
    w.close();
    w.line("END;");

    let function = Function {
        name: qualified(&callback.schema, &name),
        parameters: vec![(JOBS.to_owned(), "jobs.called_job[]".to_owned())],
        returns: "void",
        types: vec![Need::ty("jobs.called_job")],
        definer: false,
        settings: BY_KEY,
        volatility: Volatility::Volatile,
        comment: format!(
            "Callback {} of many jobs: after calls of {}.{} {when}",
            callback.key, call.service, call.operation
        ),
        origin: callback.origin.clone(),
        body: w,
    };
    Some(function.object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::expr::{ExprType, SystemColumn},
        sql::fixture::order_model,
    };

    /// The success callback of the fixture's charge.
    fn with_callback(change: impl FnOnce(&mut Callback)) -> Option<String> {
        let model = order_model();
        let steps = model.entities.iter().flat_map(|entity| &entity.actions).flat_map(|action| &action.steps);
        let mut callback = steps
            .filter_map(|step| match &step.kind {
                StepKind::CallService(call) => call.on_success.clone(),
                _ => None,
            })
            .next()
            .expect("the fixture has one");
        change(&mut callback);
        batch_function(&callback)
    }

    #[test]
    fn one_update_of_the_own_row_has_a_form_for_many_jobs() {
        assert_eq!(with_callback(|_| ()).as_deref(), Some("cb_order_place_order_1_stripe_create_charge_success_batch"));
    }

    #[test]
    fn more_steps_other_rows_and_values_that_depend_on_order_have_none() {
        let repeated = with_callback(|callback| callback.steps.push(callback.steps[0].clone()));
        assert_eq!(repeated, None);
        assert_eq!(with_callback(|callback| callback.row = None), None);
        let following = |follows: usize| {
            with_callback(|callback| {
                let StepKind::Update { set, .. } = &mut callback.steps[0].kind else { panic!("an update") };
                let base = Box::new(set[0].value.clone());
                let kind = ExprKind::Follow {
                    base,
                    entity: EntityId(follows),
                    column: crate::model::ColumnRef::System(SystemColumn::Id),
                };
                set[0].value = Expr { kind, ty: ExprType::Null, nullable: true };
            })
        };
        assert!(following(0).is_some(), "a customer is not what is updated");
        assert_eq!(following(1), None, "another order may be");
    }
}
