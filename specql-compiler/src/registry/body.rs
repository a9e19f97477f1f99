//! `body_template`, `query` and `headers`: texts and bodies with slots.

use indexmap::IndexMap;
use specql_registry::{
    Json,
    schema::Schema,
    setting::names_credential,
    template::{BodyTemplate, Template},
};

use super::{
    decode::Decoder,
    setting::{is_reference, setting_of},
};
use crate::{
    diagnostics::rules::{
        sq0505_bad_registry_value::bad_value, sq0506_unknown_template_field::unknown_template_field,
        sq0508_literal_secret::literal_secret,
    },
    source::yaml::{Entry, Node, Value},
};

/// A text with slots; each slot must be an input.
pub(super) fn template(node: &Node, input: &Schema, decoder: &mut Decoder) -> Option<Template> {
    let text = match &node.value {
        Value::String(text) | Value::Number(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        other => {
            decoder.bad(node.span, format!("expected text with `{{slots}}`, got {}", other.kind()));
            return None;
        }
    };
    match Template::parse(&text) {
        Ok(template) => {
            check_slots(node, &text, template.fields(), input, decoder);
            Some(template)
        }
        Err(error) => {
            decoder.report(bad_value(node.inner_span(error.at, error.at + 1), error.message));
            None
        }
    }
}

/// Names with templates: `query` or `headers`.
pub(super) fn templates(entry: &Entry, input: &Schema, decoder: &mut Decoder) -> IndexMap<String, Template> {
    let mut templates = IndexMap::new();
    let Value::Mapping(entries) = &entry.value.value else {
        decoder.bad(entry.value.span, format!("`{}` takes names and texts with `{{slots}}`", entry.key));
        return templates;
    };
    for entry in entries {
        if let Some(template) = template(&entry.value, input, decoder) {
            if names_credential(&entry.key) && template.fields().next().is_none() {
                decoder.report(literal_secret(entry.value.span, &entry.key));
            }
            templates.insert(entry.key.clone(), template);
        }
    }
    templates
}

/// A body template; `key` is the key that it stands under. Recursion is bounded by the YAML reader's depth.
pub(super) fn body(node: &Node, key: &str, input: &Schema, decoder: &mut Decoder) -> Option<BodyTemplate> {
    Some(match &node.value {
        Value::Null => BodyTemplate::Constant(Json::Null),
        Value::Bool(value) => BodyTemplate::Constant(Json::Bool(*value)),
        Value::Number(digits) => match Json::parse(digits) {
            Ok(number) => BodyTemplate::Constant(number),
            Err(_) => BodyTemplate::Text(template(node, input, decoder)?),
        },
        Value::String(text) => match BodyTemplate::parse_text(text) {
            Ok(template) => {
                let fields = template.fields();
                if names_credential(key) && fields.is_empty() {
                    decoder.report(literal_secret(node.span, key));
                }
                check_slots(node, text, fields.into_iter(), input, decoder);
                template
            }
            Err(error) => {
                decoder.report(bad_value(node.inner_span(error.at, error.at + 1), error.message));
                return None;
            }
        },
        Value::Sequence(items) => {
            BodyTemplate::Array(items.iter().filter_map(|item| body(item, key, input, decoder)).collect())
        }
        Value::Mapping(_) if is_reference(node) => {
            BodyTemplate::Setting(setting_of(node, key, names_credential(key), decoder)?)
        }
        Value::Mapping(entries) => {
            let members = entries
                .iter()
                .filter_map(|entry| Some((entry.key.clone(), body(&entry.value, &entry.key, input, decoder)?)));
            BodyTemplate::Object(members.collect())
        }
    })
}

fn check_slots<'a>(
    node: &Node,
    text: &str,
    fields: impl Iterator<Item = &'a str>,
    input: &Schema,
    decoder: &mut Decoder,
) {
    for field in fields {
        if input.fields.contains_key(field) {
            continue;
        }
        let span = match text.find(&format!("{{{field}}}")) {
            Some(at) => node.inner_span(at + 1, at + 1 + field.len()),
            None => node.span,
        };
        decoder.report(unknown_template_field(span, field, "input_schema", input.fields.keys().map(String::as_str)));
    }
}
