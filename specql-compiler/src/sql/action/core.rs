//! The core of an action: its steps, in the entity's schema.

use super::{
    super::{
        entity::{TENANT, tenant_and},
        expr::row_variable,
        object::{Need, Object},
        quote::{ident, qualified},
        usage::Usage,
        writer::{Writer, filled},
    },
    Function, MUTATION_RESULT, input_type_name, source_line,
    step::{Answer, Body, Scope, any_step, declare_rows, declare_values, deletes, start_unassigned_rows, writes_to},
};
use crate::model::{Action, Entity, Model};

/// `<schema>.<action>`.
pub(in super::super) fn core(model: &Model, entity: &Entity, action: &Action) -> Object {
    let mut usage = Usage::of(model, &action.vars, &action.steps);
    if let Some(var) = action.result {
        usage.read(var, "id");
    }
    let reports_fields = action.result.is_some_and(|var| writes_to(&action.steps, var));
    let deleted = action.result.filter(|var| any_step(&action.steps, |step| deletes(step, *var)));

    let mut w = Writer::default();
    let mut declarations = Writer::default();
    declare_rows(&mut declarations, &action.vars, &usage);
    declare_values(&mut declarations, &usage);
    if reports_fields {
        declarations.line("_updated_fields TEXT[] := ARRAY[]::TEXT[];");
    }
    if deleted.is_some() {
        declarations.line("_object_data JSONB;");
    }
    if usage.called {
        declarations.line("_called app.mutation_result;");
    }
    if usage.calls {
        declarations.line("_job RECORD;");
    }
    if usage.queues {
        declarations.line("_jobs JSONB := '[]'::jsonb;");
    }
    let declarations = declarations.finish();
    if !declarations.is_empty() {
        w.line("DECLARE");
        w.indent(|w| w.line(declarations));
    }
    w.line("BEGIN");
    w.open();
    if action.not_implemented {
        w.line(source_line(&action.origin, "no steps"));
        w.line("RAISE EXCEPTION USING");
        w.line("    ERRCODE = 'SQ001',");
        w.line("    MESSAGE = 'failed:not_implemented',");
        w.line("    DETAIL = 'the action has no steps';");
    } else {
        let mut body = Writer::default();
        load_current_row(&mut body, model, action, &usage);
        start_unassigned_rows(&mut body, model, &action.vars, &usage, &action.steps, action.result);
        let scope = Scope {
            model,
            vars: &action.vars,
            usage: &usage,
            tenant: TENANT,
            row: None,
            user: "auth_user_id",
            result: if reports_fields { action.result } else { None },
            deleted,
            answer: Some(Answer { result: action.result, steps: &action.steps }),
            identifier: &action.name,
            collects_jobs: true,
        };
        let mut steps = Body::new(scope, body);
        if !steps.steps(&action.steps) {
            steps.end();
        }
        let body = steps.finish().finish();
        if action.effects.for_tenant {
            w.line(format!("IF {TENANT} IS NULL THEN"));
            w.line("    RAISE EXCEPTION USING ERRCODE = 'SQ001', MESSAGE = 'validation:missing_tenant';");
            w.line("END IF;");
            w.blank();
        }
        w.line(body);
    }
    w.close();
    w.line("END;");

    let input_type = qualified("app", &input_type_name(action));
    Function {
        name: qualified(&entity.schema, &action.name),
        parameters: vec![
            (TENANT.to_owned(), "UUID".to_owned()),
            ("auth_user_id".to_owned(), "UUID".to_owned()),
            ("input".to_owned(), input_type.clone()),
        ],
        returns: MUTATION_RESULT,
        types: vec![Need::ty(input_type), Need::ty(MUTATION_RESULT)],
        definer: false,
        settings: "",
        volatility: action.effects.volatility,
        comment: format!("Steps of app.{}", action.wrapper),
        origin: action.origin.clone(),
        body: w,
    }
    .object()
}

/// Reads and locks the row that the action works on.
fn load_current_row(w: &mut Writer, model: &Model, action: &Action, usage: &Usage) {
    let Some(var) = action.loads_current_row else { return };
    let row = &action.vars[var.0];
    let entity = model.entity(row.entity);
    w.line(format!("-- The current {}, locked until the end of the transaction.", entity.name));
    if usage.reads(var) {
        w.line(filled("SELECT", &usage.fetched(entity, var, "t")));
        w.line(format!("INTO {}", row_variable(row)));
    } else {
        w.line("PERFORM 1");
    }
    w.line(format!("FROM {} AS t", qualified(&entity.schema, &entity.table())));
    w.line(format!("WHERE t.id = input.{} AND t.deleted_at IS NULL{}", ident("id"), tenant_and(entity, "t", TENANT)));
    w.line("FOR NO KEY UPDATE;");
    w.line("IF NOT FOUND THEN");
    w.line("    RAISE EXCEPTION USING ERRCODE = 'SQ001', MESSAGE = 'not_found';");
    w.line("END IF;");
    w.blank();
}
