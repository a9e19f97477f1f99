//! The public function of an action: reads the payload, runs the core, turns whatever that raises into a status.

use super::{
    super::{
        object::{Need, Object},
        quote::{ident, literal, qualified},
        writer::Writer,
    },
    Function, MUTATION_RESULT, Volatility,
    input::read_payload,
    input_type_name,
};
use crate::model::{Action, Entity, Model};

/// `app.<wrapper>`.
pub(in super::super) fn wrapper(model: &Model, entity: &Entity, action: &Action) -> Object {
    // A plain schema's action may work on a tenant's rows as well.
    let sets_tenant = model.entities.iter().any(|entity| entity.multi_tenant);
    let mut w = Writer::default();
    w.line("DECLARE");
    w.indent(|w| {
        w.line(format!("_input {};", qualified("app", &input_type_name(action))));
        w.line("_result app.mutation_result;");
        if sets_tenant {
            w.line("_tenant_before CONSTANT TEXT := coalesce(current_setting('app.tenant_id', true), '');");
        }
        w.line("_error_sqlstate TEXT;");
        w.line("_error_message TEXT;");
        w.line("_error_detail TEXT;");
        w.line("_error_constraint TEXT;");
        w.line("_error_column TEXT;");
        w.line("_error_context TEXT;");
    });
    w.line("BEGIN");
    w.indent(|w| {
        w.line("-- Whatever is raised in here undoes all steps, queued jobs included.");
        w.line("BEGIN");
        w.indent(|w| {
            if sets_tenant {
                w.line("PERFORM set_config('app.tenant_id', coalesce(auth_tenant_id::text, ''), true);");
            }
            read_payload(w, model, action);
            w.blank();
            w.line(format!(
                "_result := {}(auth_tenant_id, auth_user_id, _input);",
                qualified(&entity.schema, &action.name)
            ));
        });
        w.line("EXCEPTION");
        w.indent(|w| {
            w.line("-- Serialisation failures and deadlocks are for the caller to retry; a cancelled query (57014) is not caught.");
            w.line("WHEN transaction_rollback THEN");
            w.line("    RAISE;");
            w.line("WHEN OTHERS THEN");
            w.indent(|w| {
                w.line("GET STACKED DIAGNOSTICS");
                w.line("    _error_sqlstate = RETURNED_SQLSTATE,");
                w.line("    _error_message = MESSAGE_TEXT,");
                w.line("    _error_detail = PG_EXCEPTION_DETAIL,");
                w.line("    _error_constraint = CONSTRAINT_NAME,");
                w.line("    _error_column = COLUMN_NAME,");
                w.line("    _error_context = PG_EXCEPTION_CONTEXT;");
                w.line("_result := app.failure(");
                w.line("    _error_sqlstate, _error_message, _error_detail, _error_constraint, _error_column);");
            });
        });
        w.line("END;");
        w.blank();
        w.line("PERFORM app.log_mutation(");
        w.line(format!("      {}, {}, auth_tenant_id, auth_user_id, _result,", literal(&action.wrapper), literal(&entity.name)));
        w.line("    _error_sqlstate, _error_message, _error_context);");
        if sets_tenant {
            w.line("-- The caller's transaction goes on in the name in which it came. (What was raised has undone the setting.)");
            w.line("PERFORM set_config('app.tenant_id', _tenant_before, true);");
        }
        w.line("RETURN _result;");
    });
    w.line("END;");

    Function {
        name: format!("app.{}", ident(&action.wrapper)),
        parameters: vec![
            ("auth_tenant_id".to_owned(), "UUID".to_owned()),
            ("auth_user_id".to_owned(), "UUID".to_owned()),
            ("input_payload".to_owned(), "JSONB".to_owned()),
        ],
        returns: MUTATION_RESULT,
        types: vec![Need::ty(MUTATION_RESULT)],
        definer: true,
        settings: "",
        volatility: Volatility::Volatile,
        comment: action.description.clone().unwrap_or_else(|| format!("Action {} of {}", action.name, entity.name)),
        origin: action.origin.clone(),
        body: w,
    }
    .object()
}
