//! Shapes: what a JSONB value must look like, as a document that `app.to_shape` reads.

use serde_json::{Map, Value, json};
use specql_registry::{
    Schema, ValueType,
    composites::Composite,
    scalars::{Scalar, ScalarBase},
};

use super::{
    facts::{Facts, Signature},
    object::{Need, Object, ObjectKind},
    quote::{jsonb, literal, qualified},
    types::is_array,
};
use crate::model::names::snake;

/// Whether values of this type are JSONB whose shape is known.
pub(super) fn has_shape(ty: &ValueType) -> bool {
    match ty {
        ValueType::Composite(_) => true,
        ValueType::List(item) => !is_array(item) && !matches!(**item, ValueType::Enum(_)) && is_known(item),
        _ => false,
    }
}

/// Inline objects are checked by the worker.
fn is_known(ty: &ValueType) -> bool {
    match ty {
        ValueType::Object(_) => false,
        ValueType::List(item) => is_known(item),
        _ => true,
    }
}

/// The SQL of a type's shape.
pub(super) fn shape_sql(ty: &ValueType) -> String {
    match ty {
        ValueType::Composite(composite) => format!("{}()", function_name(*composite)),
        ValueType::List(item) if matches!(innermost(item), ValueType::Composite(_)) => {
            format!("jsonb_build_object('each', {})", shape_sql(item))
        }
        _ => jsonb(&shape(ty)),
    }
}

/// The function that [`shape_sql`] calls.
pub(super) fn shape_needs(ty: &ValueType) -> Option<Need> {
    match innermost(ty) {
        ValueType::Composite(composite) => Some(Need::function(format!("{}()", function_name(*composite)))),
        _ => None,
    }
}

fn innermost(ty: &ValueType) -> &ValueType {
    match ty {
        ValueType::List(item) => innermost(item),
        other => other,
    }
}

/// `app.simple_address_shape()`.
pub(super) fn function(composite: Composite) -> Object {
    let signature = format!("{}()", function_name(composite));
    let info = composite.info();
    let text = serde_json::to_string_pretty(&shape(&ValueType::Composite(composite))).unwrap_or_default();
    let create = format!(
        "CREATE OR REPLACE FUNCTION {signature}\nRETURNS JSONB\nLANGUAGE sql\nIMMUTABLE\n\
         SET search_path = pg_catalog, pg_temp\nAS $specql$\nSELECT {}::jsonb;\n$specql$",
        literal(&text),
    );
    let words = format!("What a {} must look like: {}", info.name, info.doc);
    let facts = Facts::Function(Signature { result: "JSONB".to_owned(), described: true, ..Signature::default() });
    let create = vec![create, format!("COMMENT ON FUNCTION {signature} IS {}", literal(&words))];
    Object::made_by(ObjectKind::Function, &*signature, create)
        .unmade_by(vec![format!("DROP FUNCTION {signature}")])
        .known_as(facts)
}

fn function_name(composite: Composite) -> String {
    qualified("app", &format!("{}_shape", snake(composite.info().name)))
}

fn shape(ty: &ValueType) -> Value {
    match ty {
        ValueType::Basic(basic) => json!({"is": basic.name()}),
        ValueType::Decimal(limits) => decimal(*limits),
        ValueType::Scalar(scalar) => scalar_shape(*scalar),
        ValueType::Enum(values) => json!({"one_of": values}),
        ValueType::List(item) => json!({"each": shape(item)}),
        ValueType::Composite(composite) => members(composite.schema()),
        ValueType::Object(schema) => members(schema),
    }
}

fn members(schema: &Schema) -> Value {
    let names: Vec<&String> = schema.fields.keys().collect();
    let required: Vec<&String> =
        schema.fields.iter().filter(|(_, field)| field.required).map(|(name, _)| name).collect();
    let shapes: Map<String, Value> =
        schema.fields.iter().map(|(name, field)| (name.clone(), shape(&field.ty))).collect();
    json!({"members": shapes, "names": names, "required": required})
}

fn decimal(limits: Option<(u16, u16)>) -> Value {
    match limits {
        Some((precision, scale)) => json!({"is": "decimal", "precision": precision, "scale": scale}),
        None => json!({"is": "decimal"}),
    }
}

fn scalar_shape(scalar: Scalar) -> Value {
    let info = scalar.info();
    let mut shape = match info.base {
        ScalarBase::Text => json!({"is": "text"}),
        ScalarBase::Numeric(precision, scale) => decimal(Some((precision, scale))),
        ScalarBase::Uuid => json!({"is": "uuid"}),
        ScalarBase::Date => json!({"is": "date"}),
        ScalarBase::Time => json!({"is": "time"}),
        ScalarBase::Interval => json!({"is": "duration"}),
        ScalarBase::Inet => json!({"is": "inet"}),
        ScalarBase::MacAddr => json!({"is": "macaddr"}),
        ScalarBase::Point => json!({"is": "point"}),
    };
    if let Some(members) = shape.as_object_mut() {
        let more = [("pattern", info.pattern), ("least", info.range.0), ("most", info.range.1)];
        members.extend(more.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
        if members.len() > 1 {
            members.insert("words".to_owned(), info.doc.into());
        }
    }
    shape
}
