//! `input_schema` and `output_schema`.

use std::collections::HashMap;

use heck::ToSnakeCase as _;
use specql_registry::{Schema, SchemaField, Setting, ValueType, schema::FieldDefault, setting::names_credential};

use super::{decode::Decoder, setting};
use crate::{
    diagnostics::rules::{
        sq0112_bad_default::bad_default,
        sq0508_literal_secret::literal_secret,
        sq0514_bad_service_name::{bad_service_name, same_name},
    },
    keys::{Key, Shape, Table},
    source::{
        Span,
        yaml::{Entry, Node, Value},
    },
    syntax::types::{self, DefaultSyntax, DefaultValue},
};

/// The map form of a field.
pub static FIELD: Table = Table::new(
    "a field of a schema",
    &[
        Key::new("type", Shape::Either(&[Shape::Type, Shape::Schema]), "its type, or the fields of an object")
            .required(),
        Key::new("required", Shape::Boolean, "whether it must be given: what `!` behind the type says")
            .default("`false`"),
        Key::new("default", Shape::Anything, "the value where none is given; `{env: NAME}` is resolved in the worker"),
        Key::new("description", Shape::Text, "the documentation of its Rust field"),
    ],
);

/// A schema with the place of each of its fields.
#[derive(Default)]
pub(super) struct SpannedSchema {
    pub(super) schema: Schema,
    pub(super) spans: HashMap<String, Span>,
}

/// Reads a mapping of field names to types.
pub(super) fn read(node: &Node, place: &'static str, decoder: &mut Decoder) -> SpannedSchema {
    let mut result = SpannedSchema::default();
    let Value::Mapping(entries) = &node.value else {
        decoder.bad(node.span, format!("`{place}` takes fields and their types, not {}", node.value.kind()));
        return result;
    };
    let mut in_rust: HashMap<String, &Entry> = HashMap::new();
    for entry in entries {
        if !is_field_name(&entry.key) {
            decoder.report(bad_service_name(entry.key_span, "a field", &entry.key));
            continue;
        }
        if let Some(first) = in_rust.insert(entry.key.to_snake_case(), entry) {
            decoder.report(same_name(entry.key_span, first.key_span, &entry.key, &first.key));
            continue;
        }
        if let Some(field) = read_field(entry, place, decoder) {
            result.schema.fields.insert(entry.key.clone(), field);
            result.spans.insert(entry.key.clone(), entry.key_span);
        }
    }
    result
}

fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `amount: integer!`, `{type: text, default: {env: NAME}}`, or `{street: text!, zip: text}`: an object.
fn read_field(entry: &Entry, place: &'static str, decoder: &mut Decoder) -> Option<SchemaField> {
    let field = match &entry.value.value {
        Value::Mapping(_) if entry.value.get("type").is_some() => long_form(entry, decoder)?,
        Value::Mapping(_) => {
            let schema = read(&entry.value, place, decoder).schema;
            SchemaField { ty: ValueType::Object(schema), required: false, default: None, description: None }
        }
        // A list of objects: `lines: [{sku: text!, quantity: integer!}]`.
        Value::Sequence(items) => match items.as_slice() {
            [item @ Node { value: Value::Mapping(_), .. }] => {
                let item = ValueType::Object(read(item, place, decoder).schema);
                let ty = ValueType::List(Box::new(item));
                SchemaField { ty, required: false, default: None, description: None }
            }
            _ => {
                decoder.bad(entry.value.span, "a list of objects holds one mapping: the fields of its items");
                return None;
            }
        },
        _ => short_form(&entry.value, &entry.key, decoder)?,
    };
    if place == "output_schema" && field.default.is_some() {
        decoder.report(bad_default(entry.value.span, "an output has no default".to_owned()));
    }
    Some(field)
}

fn short_form(node: &Node, key: &str, decoder: &mut Decoder) -> Option<SchemaField> {
    let syntax = decoder.take_result(types::parse(node))?;
    let ty = decoder.take_result(types::resolve_value(&syntax.ty))?;
    let default = syntax.default.and_then(|default| read_default(&ty, &default, key, decoder));
    Some(SchemaField { ty, required: syntax.required, default, description: None })
}

fn long_form(entry: &Entry, decoder: &mut Decoder) -> Option<SchemaField> {
    let fields = decoder.fields(&entry.value, &FIELD)?;
    let ty = fields.take("type");
    let (required, default) = (fields.take("required"), fields.take("default"));
    let description = fields.take("description").and_then(|entry| decoder.text(entry));
    decoder.finish(fields);
    let ty = ty?;
    let mut field = match &ty.value.value {
        Value::Mapping(_) | Value::Sequence(_) => read_field(ty, "input_schema", decoder)?,
        _ => short_form(&ty.value, &entry.key, decoder)?,
    };
    if let Some(required) = required.and_then(|entry| decoder.boolean(entry)) {
        field.required = required;
    }
    if let Some(default) = default {
        let syntax = DefaultSyntax { value: DefaultValue::Yaml(default.value.clone()), span: default.value.span };
        field.default = read_default(&field.ty, &syntax, &entry.key, decoder);
    }
    field.description = description;
    Some(field)
}

/// A default: a constant, or a reference that the worker resolves.
fn read_default(ty: &ValueType, default: &DefaultSyntax, key: &str, decoder: &mut Decoder) -> Option<FieldDefault> {
    let is_credential = names_credential(key);
    if let DefaultValue::Yaml(node) = &default.value
        && setting::is_reference(node)
    {
        let setting = setting::setting_of(node, key, is_credential, decoder)?;
        // What the variable holds is text; a default for it can be checked now.
        if let Setting::Env { default: Some(text), .. } = &setting {
            let word = DefaultSyntax { value: DefaultValue::Word(text.clone()), span: default.span };
            decoder.take_result(types::check_default(ty, &word))?;
        }
        return Some(FieldDefault::Setting(setting));
    }
    if is_credential {
        decoder.report(literal_secret(default.span, key));
        return None;
    }
    decoder.take_result(types::check_default(ty, default)).map(FieldDefault::Value)
}

impl Decoder {
    /// The value, or its diagnostic among the others.
    fn take_result<T>(&mut self, result: Result<T, Box<crate::diagnostics::Diagnostic>>) -> Option<T> {
        result.map_err(|diagnostic| self.report(*diagnostic)).ok()
    }
}
