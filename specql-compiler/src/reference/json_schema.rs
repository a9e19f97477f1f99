//! JSON Schemas of the file formats, for editors: what may be written where, and what it means.
//!
//! They are in draft 7, which editors know best. They check shapes, keys and words; what a name stands for and which types
//! meet is for the compiler to say.

use serde_json::{Map, Value, json};

use super::formats::{Format, tables};
use crate::{
    keys::{Key, Shape, Standing, Table},
    syntax::{step::STEPS, types},
};

/// The schema of a format.
#[must_use]
pub fn json_schema(format: &Format) -> Value {
    let mut definitions: Map<String, Value> =
        tables(format).into_iter().map(|table| (name(table), table_schema(table))).collect();
    definitions.insert("steps".to_owned(), json!({"type": ["array", "null"], "items": {"anyOf": steps()}}));
    definitions.insert("type".to_owned(), json!({"type": "string", "pattern": type_pattern()}));
    definitions.insert("value_schema".to_owned(), value_schema());
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": format!("SpecQL: {}", format.files),
        "$ref": reference(format.root)["$ref"],
        "definitions": definitions,
    })
}

/// The schema of a format as a file.
#[must_use]
pub fn json_schema_text(format: &Format) -> String {
    format!("{:#}\n", json_schema(format))
}

fn name(table: &Table) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { ' ' };
    let words: String = table.what.chars().map(word).collect();
    words.split_whitespace().filter(|word| !["a", "an", "the"].contains(word)).collect::<Vec<_>>().join("_")
}

fn reference(table: &Table) -> Value {
    json!({"$ref": format!("#/definitions/{}", name(table))})
}

fn table_schema(table: &'static Table) -> Value {
    let written = || table.keys().filter(|key| key.standing != Standing::Refused);
    let required: Vec<_> = written().filter(|key| key.standing == Standing::Required).map(|key| key.name).collect();
    let properties: Map<String, Value> = written().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn key_schema(key: &'static Key) -> Value {
    let mut effect = key.effect.to_owned();
    if let Some(default) = key.default {
        effect = format!("{effect}; without it: {default}");
    }
    if key.standing == Standing::Warned {
        return json!({"description": format!("{effect} (has no effect)"), "deprecated": true});
    }
    let schema = shape(&key.shape);
    // In draft 7 nothing beside a `$ref` counts.
    match schema.get("$ref") {
        Some(_) => json!({"description": effect, "allOf": [schema]}),
        None => {
            let mut schema = schema;
            let effect = match schema.get("description").and_then(Value::as_str) {
                Some(more) => format!("{effect}: {more}"),
                None => effect,
            };
            schema["description"] = json!(effect);
            schema
        }
    }
}

fn shape(wanted: &'static Shape) -> Value {
    match wanted {
        Shape::Text => json!({"type": "string"}),
        Shape::Name => json!({"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}),
        Shape::Entity => json!({"type": "string", "pattern": r"^([a-z][a-z0-9_]*\.)?[A-Z][A-Za-z0-9]*$"}),
        Shape::Boolean => json!({"type": "boolean"}),
        Shape::Number => json!({"type": "number"}),
        Shape::Integer(i64::MIN, i64::MAX) => json!({"type": "integer"}),
        Shape::Integer(least, i64::MAX) => json!({"type": "integer", "minimum": least}),
        Shape::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Type => json!({"$ref": "#/definitions/type"}),
        Shape::Words(words) => json!({"enum": words}),
        Shape::Duration => json!({"type": "string", "pattern": "^[0-9]+ *(ms|s|m|h)$"}),
        Shape::Clause(_) => json!({"type": "string", "minLength": 1}),
        Shape::List(element) => json!({"type": ["array", "null"], "items": shape(element)}),
        Shape::Map(value) => json!({"type": ["object", "null"], "additionalProperties": shape(value)}),
        Shape::Table(table) => reference(table),
        Shape::OneTable(tables) => json!({"anyOf": tables.iter().map(|table| reference(table)).collect::<Vec<_>>()}),
        Shape::Steps => json!({"$ref": "#/definitions/steps"}),
        Shape::Setting => json!({"anyOf": [{"type": "string"}, reference(&crate::registry::REFERENCE)]}),
        Shape::Credential => reference(&crate::registry::REFERENCE),
        Shape::Schema => json!({"$ref": "#/definitions/value_schema"}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(shape).collect::<Vec<_>>()}),
        // A schema cannot see whether a text stands in quotes.
        Shape::Value => json!({"description": "without quotes an expression; in quotes a text with `{$path}` in it"}),
        Shape::Expression | Shape::Anything => json!({}),
    }
}

/// A step for each that is supported.
fn steps() -> Vec<Value> {
    let supported = |step: &&'static Table| step.keys.iter().all(|key| key.standing != Standing::Refused);
    STEPS.iter().filter(supported).map(reference).collect()
}

/// `input_schema`: fields with types; an object and a list of objects are written as themselves.
fn value_schema() -> Value {
    let itself = json!({"$ref": "#/definitions/value_schema"});
    let field = json!({"anyOf": [
        {"$ref": "#/definitions/type"},
        reference(&crate::registry::SCHEMA_FIELD),
        itself,
        {"type": "array", "items": itself, "minItems": 1, "maxItems": 1},
    ]});
    json!({"type": "object", "additionalProperties": field})
}

/// A type as one line of text: a known name or one of the forms with parentheses, `!`, and a default.
fn type_pattern() -> String {
    let mut names: Vec<_> = types::names().collect();
    names.sort_unstable();
    names.dedup();
    let names = names.join("|");
    format!(r"^\s*({names}|[A-Z][A-Za-z0-9]*|(enum|list|ref|decimal)\s*\(.*\))\s*!?\s*(=.*)?$")
}
