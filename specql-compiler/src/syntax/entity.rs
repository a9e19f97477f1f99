//! Entity files, as they are written: entities and their fields.

use super::{
    action::{self, ActionSyntax},
    keys::{self, Keys},
    types::{self, TypeSyntax},
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0131_wrong_shape as wrong_shape, sq0133_missing_key as missing_key,
            sq0134_not_supported as not_supported, sq0135_ignored_key as ignored_key,
        },
    },
    source::{
        Spanned,
        yaml::{Entry, Node, Value},
    },
};

/// An entity.
#[derive(Clone, Debug)]
pub struct EntitySyntax {
    /// `entity:`.
    pub name: Spanned<String>,
    /// `schema:`.
    pub schema: Option<Spanned<String>>,
    /// `description:`.
    pub description: Option<String>,
    /// `fields:`, in source order.
    pub fields: Vec<FieldSyntax>,
    /// `actions:`, in source order.
    pub actions: Vec<ActionSyntax>,
}

/// A field.
#[derive(Clone, Debug)]
pub struct FieldSyntax {
    /// Its name.
    pub name: Spanned<String>,
    /// Its type; `None` where it could not be read.
    pub ty: Option<TypeSyntax>,
    /// `required:` or `nullable:` of the map form; else the type's `!` says it.
    pub required: Option<bool>,
    /// `default:` of the map form; else the type's `= value`.
    pub default: Option<Node>,
    /// `schema:` of a ref's target.
    pub schema: Option<Spanned<String>>,
    /// `on_delete:`.
    pub on_delete: Option<Spanned<String>>,
    /// `unique:`.
    pub unique: bool,
    /// `description:`.
    pub description: Option<String>,
}

/// Every key of a document, and of the long form's `entity: {…}`, but those below.
const ENTITY_KEYS: &[&str] = &["name", "schema", "description", "fields", "actions"];

/// Keys of the language that this version refuses.
const LATER_KEYS: &[&str] = &["schedules", "functions", "renamed_from"];

/// Keys of the original SpecQL that are reported, and otherwise skipped, so that an existing file builds.
const IGNORED_KEYS: &[&str] =
    &["patterns", "table_views", "translations", "agents", "organization", "identifier", "hierarchical"];

/// Every key of a field's map form.
const FIELD_KEYS: &[&str] =
    &["type", "nullable", "required", "default", "description", "schema", "on_delete", "unique", "renamed_from"];

/// Reads a document.
pub fn read(document: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<EntitySyntax> {
    let Value::Mapping(entries) = &document.value else {
        diagnostics.push(wrong_shape::error(document, "an entity file", "a mapping that begins with `entity: Name`"));
        return None;
    };
    let place = entries.first().map_or(document.span, |entry| entry.key_span);
    let Some(entity) = entries.iter().find(|entry| entry.key == "entity") else {
        diagnostics.push(missing_key::error(place, "an entity file", "entity"));
        return None;
    };
    let known: Vec<&str> = [&["entity"], ENTITY_KEYS, LATER_KEYS, IGNORED_KEYS]
        .concat()
        .into_iter()
        .filter(|key| *key != "name")
        .collect();
    let outer = Keys::read(document, "an entity file", &known, diagnostics)?;
    let inner = match &entity.value.value {
        Value::Mapping(_) => {
            let known = [ENTITY_KEYS, LATER_KEYS, IGNORED_KEYS].concat();
            Some(Keys::read(&entity.value, "an entity", &known, diagnostics)?)
        }
        _ => None,
    };
    let name = match &inner {
        Some(inner) => inner.required_text("name", entity.key_span, diagnostics),
        None => keys::text(&entity.value, "entity", diagnostics),
    };
    let mut parts = Parts { outer, inner, diagnostics };
    parts.refuse_unsupported();
    Some(EntitySyntax {
        schema: parts.entry("schema").and_then(|entry| keys::text(&entry.value, "schema", parts.diagnostics)),
        description: parts
            .entry("description")
            .and_then(|entry| keys::text(&entry.value, "description", parts.diagnostics))
            .map(|text| text.value),
        fields: parts.entry("fields").map(|entry| read_fields(&entry.value, parts.diagnostics)).unwrap_or_default(),
        actions: parts.entry("actions").map(|e| action::read_all(&e.value, parts.diagnostics)).unwrap_or_default(),
        name: name?,
    })
}

/// The two places where an entity's keys may stand: beside `entity:`, and (in the long form) inside it.
struct Parts<'a, 'd> {
    outer: Keys<'a>,
    inner: Option<Keys<'a>>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'a> Parts<'a, '_> {
    fn entry(&mut self, key: &str) -> Option<&'a Entry> {
        let inner = self.inner.and_then(|inner| inner.entry(key));
        let outer = self.outer.entry(key);
        if let (Some(_), Some(second)) = (inner, outer) {
            self.diagnostics.push(wrong_shape::twice(second.key_span, key, key));
        }
        inner.or(outer)
    }

    fn refuse_unsupported(&mut self) {
        for key in LATER_KEYS {
            if let Some(entry) = self.entry(key) {
                self.diagnostics.push(not_supported::key(entry.key_span, key));
            }
        }
        for key in IGNORED_KEYS {
            if let Some(entry) = self.entry(key) {
                self.diagnostics.push(ignored_key::warning(entry.key_span, key));
            }
        }
    }
}

fn read_fields(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<FieldSyntax> {
    let entries = keys::mapping(node, "fields", diagnostics).unwrap_or_default();
    entries.iter().map(|entry| read_field(entry, diagnostics)).collect()
}

fn read_field(entry: &Entry, diagnostics: &mut Vec<Diagnostic>) -> FieldSyntax {
    let mut field = FieldSyntax {
        name: Spanned { value: entry.key.clone(), span: entry.key_span },
        ty: None,
        required: None,
        default: None,
        schema: None,
        on_delete: None,
        unique: false,
        description: None,
    };
    if !matches!(entry.value.value, Value::Mapping(_)) {
        field.ty = read_type(&entry.value, diagnostics);
        return field;
    }
    let Some(keys) = Keys::read(&entry.value, "a field", FIELD_KEYS, diagnostics) else { return field };
    if let Some(entry) = keys.entry("renamed_from") {
        diagnostics.push(not_supported::key(entry.key_span, "renamed_from"));
    }
    match keys.get("type") {
        Some(node) => field.ty = read_type(node, diagnostics),
        None => diagnostics.push(missing_key::error(entry.key_span, "a field", "type")),
    }
    let nullable = keys.boolean("nullable", diagnostics);
    field.required = keys.boolean("required", diagnostics);
    if let (Some(_), Some(second)) = (field.required, keys.entry("nullable")) {
        diagnostics.push(wrong_shape::twice(second.key_span, "required", "nullable"));
    }
    field.required = field.required.or(nullable.map(|nullable| !nullable));
    field.default = keys.get("default").cloned();
    field.schema = keys.text("schema", diagnostics);
    field.on_delete = keys.text("on_delete", diagnostics);
    field.unique = keys.boolean("unique", diagnostics).unwrap_or(false);
    field.description = keys.text("description", diagnostics).map(|text| text.value);
    field
}

/// Reads a type.
pub(super) fn read_type(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<TypeSyntax> {
    types::parse(node).map_err(|error| diagnostics.push(*error)).ok()
}
