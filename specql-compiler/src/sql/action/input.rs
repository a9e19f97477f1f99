//! An action's input: its composite type, and the reading of a payload into it.

use super::{
    super::{
        expr::{constant, default_value},
        input::decode,
        object::{Object, ObjectKind},
        quote::{ident, literal, qualified, text_array},
        shape::has_shape,
        types::{field_check, public_type},
        writer::{Writer, list},
    },
    input_type_name,
    step::any_step,
};
use crate::model::{Action, FieldType, InputField, Model, Step, StepKind, limits::Limits};
use specql_registry::{ValueType, scalars::Scalar};

/// The attribute that names the keys of the payload, for updates that leave missing fields alone. No input can have
/// this name.
pub(super) const KEYS: &str = "_keys";

/// The composite type of an action's input.
pub(in super::super) fn input_type(action: &Action) -> Object {
    let name = qualified("app", &input_type_name(action));
    let mut attributes: Vec<String> =
        action.input.iter().map(|field| format!("    {} {}", ident(&field.name), public_type(&field.ty))).collect();
    if has_partial_update(&action.steps) {
        attributes.push(format!("    {KEYS} TEXT[]"));
    }
    let create = if attributes.is_empty() {
        format!("CREATE TYPE {name} AS ()")
    } else {
        format!("CREATE TYPE {name} AS (\n{}\n)", attributes.join(",\n"))
    };
    let words = format!("What app.{} takes", action.wrapper);
    let create = vec![create, format!("COMMENT ON TYPE {name} IS {}", literal(&words))];
    Object::made_by(ObjectKind::Type, name, create).from(&action.origin)
}

/// Reads `input_payload` into `_input`.
pub(super) fn read_payload(w: &mut Writer, model: &Model, action: &Action) {
    let partial = has_partial_update(&action.steps);
    let names: Vec<&str> = action.input.iter().map(|field| field.name.as_str()).collect();
    let required: Vec<&str> =
        action.input.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
    w.line(format!(
        "{};",
        list(
            "PERFORM app.check_payload(",
            &["input_payload".to_owned(), text_array(&names), text_array(&required)],
            ")"
        )
    ));
    for field in &action.input {
        read_field(w, model, field, partial);
    }
    if partial {
        w.line(format!("_input.{KEYS} := ARRAY(SELECT k.name FROM jsonb_object_keys(input_payload) AS k(name));"));
    }
}

fn read_field(w: &mut Writer, model: &Model, field: &InputField, partial: bool) {
    let target = format!("_input.{}", ident(&field.name));
    let json = format!("input_payload -> {}", literal(&field.name));
    let ty = match &field.ty {
        FieldType::Value(ty) => ty.clone(),
        FieldType::Ref { .. } => match Scalar::from_name("uuid") {
            Some(uuid) => ValueType::Scalar(uuid),
            None => return,
        },
    };
    let value = decode(&ty, &json, &field.name);
    let source = field.field.map(|(entity, id)| model.entity(entity).field(id));
    match input_default(model, field, partial) {
        Some(default) => {
            w.line(format!("IF input_payload ? {} THEN", literal(&field.name)));
            w.indent(|w| w.line(format!("{target} := {value};")));
            w.line("ELSE");
            w.indent(|w| w.line(format!("{target} := {default};")));
            w.line("END IF;");
        }
        None => w.line(format!("{target} := {value};")),
    }
    if field.never_null || (source.is_some_and(|source| source.required) && !field.required) {
        let given = format!("input_payload -> {} IS DISTINCT FROM 'null'::jsonb", literal(&field.name));
        w.line(format!("PERFORM app.expect({given}, {}, 'not null');", literal(&field.name)));
    }
    // Reading a value of a shape checks all of it.
    let none = Limits::default();
    let limits = source.map_or(&none, |source| &source.limits);
    if let Some(check) = field_check(&ty, limits, &target).filter(|_| !has_shape(&ty)) {
        let arguments = [check.condition, literal(&field.name), literal(&check.words)];
        w.line(format!("{};", list("PERFORM app.expect(", &arguments, ")")));
    }
}

/// What an input is when it is not given. A partial update leaves a missing field alone; a default would overwrite it.
pub(super) fn input_default(model: &Model, field: &InputField, partial: bool) -> Option<String> {
    if let Some(default) = &field.default {
        return Some(constant(model, &field.ty, default));
    }
    let source = field.field.map(|(entity, id)| model.entity(entity).field(id));
    source.filter(|_| !partial).and_then(|source| default_value(model, source))
}

/// Whether a step updates only the fields whose keys the payload has.
pub(super) fn has_partial_update(steps: &[Step]) -> bool {
    any_step(steps, |step| matches!(step.kind, StepKind::Update { partial: true, .. }))
}
