//! The callbacks of queued calls: functions that run in the transaction which ends the job.

use super::{
    super::{
        facts::Facts,
        object::{Need, Object, ObjectKind},
        quote::{literal, qualified},
        usage::Usage,
        writer::Writer,
    },
    Function,
    callback_batch::batch_function,
    callback_rows::{ROWS, read_rows},
    step::{Body, Scope, declare_rows, declare_values, start_unassigned_rows},
};
use crate::model::{CallService, Callback, CallbackKind, Entity, Model, Step, StepKind};

/// The tenant of the job.
pub(super) const TENANT: &str = "_context.tenant_id";

/// Who called the action that queued the job.
pub(super) const USER: &str = "_context.triggered_by";

/// All callbacks of these steps, with the calls that they follow; nested ones after the one they are in.
pub(in super::super) fn callbacks(steps: &[Step]) -> Vec<(&CallService, &Callback)> {
    let mut out = Vec::new();
    for step in steps {
        if let StepKind::CallService(call) = &step.kind {
            for callback in call.on_success.iter().chain(&call.on_failure) {
                out.push((&**call, callback));
                out.extend(callbacks(&callback.steps));
            }
        }
        out.extend(step.branches().flat_map(callbacks));
    }
    out
}

/// The callback's function.
pub(in super::super) fn function(model: &Model, call: &CallService, callback: &Callback) -> Object {
    let usage = Usage::of(model, &callback.vars, &callback.steps);
    let mut body = Writer::default();
    read_rows(&mut body, model, callback, &usage);
    start_unassigned_rows(&mut body, model, &callback.vars, &usage, &callback.steps, None);
    let scope = Scope {
        model,
        vars: &callback.vars,
        usage: &usage,
        tenant: TENANT,
        row: None,
        user: USER,
        result: None,
        deleted: None,
        answer: None,
        identifier: &callback.function,
        collects_jobs: false,
    };
    let mut steps = Body::new(scope, body);
    steps.steps(&callback.steps);
    let body = steps.finish().finish();
    // Row, tenant and `$job` come from it: whether any of them is needed, the statements tell.
    let reads_context = body.contains("_context.");

    let mut w = Writer::default();
    let mut declarations = Writer::default();
    if reads_context {
        declarations.line("_context RECORD;");
    }
    if !callback.carried.is_empty() {
        declarations.line(format!("{ROWS} JSONB := jobs.callback_rows(_job_run_id);"));
    }
    declare_rows(&mut declarations, &callback.vars, &usage);
    declare_values(&mut declarations, &usage);
    if usage.binds_called {
        declarations.line("_called app.mutation_result;");
    }
    let declarations = declarations.finish();
    if !declarations.is_empty() {
        w.line("DECLARE");
        w.indent(|w| w.line(declarations));
    }
    w.line("BEGIN");
    w.open();
    if reads_context {
        w.line("SELECT c.entity_pk, c.tenant_id, c.triggered_by, c.service_name, c.operation, c.correlation_id, c.attempts");
        w.line("INTO STRICT _context");
        w.line("FROM jobs.callback_context(_job_run_id) AS c;");
        w.blank();
    }
    w.line(if body.is_empty() { "NULL;" } else { &body });
    w.close();
    w.line("END;");

    let (payload, when) = match callback.kind {
        CallbackKind::Success => ("_output_data", "has succeeded"),
        CallbackKind::Failure => ("_error", "has failed for good"),
    };
    Function {
        name: qualified(&callback.schema, &callback.function),
        parameters: vec![("_job_run_id".to_owned(), "UUID".to_owned()), (payload.to_owned(), "JSONB".to_owned())],
        returns: "void",
        types: Vec::new(),
        definer: false,
        settings: "",
        volatility: model.effects_of(&callback.steps, callback.rows().next().is_some()).volatility,
        comment: format!("Callback {}: after {}.{} {when}", callback.key, call.service, call.operation),
        origin: callback.origin.clone(),
        body: w,
    }
    .object()
}

/// The callback's row in `jobs.tb_callback`. One that the model no longer has is retired: queued jobs may still name it.
///
/// It belongs to the entity in whose name the call is queued, whether or not its own steps look at that row.
pub(in super::super) fn registration(entity: &Entity, call: &CallService, callback: &Callback) -> Object {
    let key = literal(&callback.key);
    let entity = call.row.map(|_| &entity.name);
    let columns =
        ["schema_name", "function_name", "batch_function", "kind", "service_name", "operation", "entity_type"];
    let values = [
        literal(&callback.schema),
        literal(&callback.function),
        batch_function(callback).map_or_else(|| "NULL".to_owned(), |name| literal(&name)),
        literal(callback.kind.name()),
        literal(&call.service),
        literal(&call.operation),
        entity.map_or_else(|| "NULL".to_owned(), |name| literal(name)),
    ];
    let updates: Vec<String> = columns.iter().map(|column| format!("    {column} = EXCLUDED.{column},")).collect();
    let create = format!(
        "INSERT INTO jobs.tb_callback (key, {})\nVALUES (\n    {key},\n    {}\n)\nON CONFLICT (key) DO UPDATE SET\n{}\n    retired_at = NULL",
        columns.join(", "),
        values.join(",\n    "),
        updates.join("\n"),
    );
    // The form for many jobs goes at once: the other does the same.
    let drop = vec![format!("UPDATE jobs.tb_callback SET retired_at = now(), batch_function = NULL WHERE key = {key}")];
    let facts = Facts::Callback { function: qualified(&callback.schema, &callback.function) };
    Object::made_by(ObjectKind::Data, &*callback.key, vec![create])
        .from(&callback.origin)
        .unmade_by(drop)
        .that_needs([Need::table("jobs.tb_callback")])
        .known_as(facts)
}
