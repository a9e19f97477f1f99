//! Entity files, as they are written: entities and their fields.

use super::{
    action::{self, ActionSyntax},
    expr::Ast,
    function::{self, FunctionSyntax},
    keys::{self, Keys},
    row_rule::{self, CheckSyntax, FieldsSyntax},
    schedule::{self, ScheduleSyntax},
    types::{self, TypeSyntax},
    value,
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0131_wrong_shape as wrong_shape, sq0133_missing_key as missing_key},
    },
    keys::{Key, Shape, Table},
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
    /// `key:`.
    pub key: Option<Spanned<String>>,
    /// `fields:`, in source order.
    pub fields: Vec<FieldSyntax>,
    /// `unique:`, in source order.
    pub unique: Vec<FieldsSyntax>,
    /// `indexes:`, in source order.
    pub indexes: Vec<FieldsSyntax>,
    /// `checks:`, in source order.
    pub checks: Vec<CheckSyntax>,
    /// `functions:`, in source order.
    pub functions: Vec<FunctionSyntax>,
    /// `actions:`, in source order.
    pub actions: Vec<ActionSyntax>,
    /// `schedules:`, in source order.
    pub schedules: Vec<ScheduleSyntax>,
    /// `renamed_from:`.
    pub renamed_from: Option<Spanned<String>>,
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
    /// `backfill:`.
    pub backfill: Option<Ast>,
    /// `unique:`.
    pub unique: bool,
    /// `min:`.
    pub min: Option<Node>,
    /// `max:`.
    pub max: Option<Node>,
    /// `pattern:`.
    pub pattern: Option<Spanned<String>>,
    /// `description:`.
    pub description: Option<String>,
    /// `renamed_from:`.
    pub renamed_from: Option<Spanned<String>>,
}

/// A document.
pub static FILE: Table = Table::new(
    "an entity file",
    &[Key::new(
        "entity",
        Shape::Either(&[Shape::Entity, Shape::Table(&ENTITY)]),
        "the entity's name; or a mapping of its name and the keys below",
    )
    .required()],
)
.with(ENTITY_KEYS);

/// The long form: `entity: {name: Order, …}`.
pub static ENTITY: Table =
    Table::new("an entity", &[Key::new("name", Shape::Entity, "the entity's name").required()]).with(ENTITY_KEYS);

/// What may stand beside `entity:`, and in the long form inside it.
static ENTITY_KEYS: &[Key] = &[
    Key::new("schema", Shape::Name, "the schema of its table, view and functions").default("`public`"),
    Key::new("description", Shape::Text, "the comment on its table"),
    Key::new(
        "key",
        Shape::Words(&["integer", "bigint"]),
        "the type of its table's internal key: `bigint` where more than 2,147,483,647 rows will ever be inserted",
    )
    .default("`integer`"),
    Key::new("fields", Shape::Map(&Shape::Either(&[Shape::Type, Shape::Table(&FIELD)])), "its fields"),
    Key::new(
        "unique",
        Shape::Either(&[Shape::List(&Shape::Name), Shape::List(&Shape::List(&Shape::Name))]),
        "fields in which no two live rows are equal, together: `[subscription, period]`, or a list of such lists",
    ),
    Key::new(
        "indexes",
        Shape::List(&Shape::Either(&[Shape::Name, Shape::List(&Shape::Name)])),
        "fields, or lists of fields, by which rows are found fast; what is unique and what refers has an index anyway",
    ),
    Key::new(
        "checks",
        Shape::Map(&Shape::Expression),
        "conditions over a row's own fields that each row meets, by name; a row for which one is NULL meets it",
    ),
    Key::new("actions", Shape::List(&Shape::Table(&action::ACTION)), "its actions"),
    Key::new(
        "functions",
        Shape::Map(&Shape::Table(&function::FUNCTION)),
        "functions in SQL that steps may call, with a body, or made elsewhere",
    ),
    Key::new(
        "schedules",
        Shape::List(&Shape::Table(&schedule::SCHEDULE)),
        "actions that a worker calls at times of their own",
    ),
    Key::new(
        "renamed_from",
        Shape::Entity,
        "the name that it had before, with its schema where that was another: the next migration renames its table, instead of dropping it",
    ),
    // Keys of the original SpecQL.
    Key::new("patterns", Shape::Anything, "ready-made behaviour").warned(),
    Key::new("table_views", Shape::Anything, "views of the original").warned(),
    Key::new("translations", Shape::Anything, "translated fields").warned(),
    Key::new("agents", Shape::Anything, "agents of the original").warned(),
    Key::new("organization", Shape::Anything, "where the original files it").warned(),
    Key::new("identifier", Shape::Anything, "how identifiers are made").warned(),
    Key::new("hierarchical", Shape::Anything, "a tree of rows").warned(),
];

/// The map form of a field.
pub static FIELD: Table = Table::new(
    "a field",
    &[
        Key::new("type", Shape::Type, "its type").required(),
        Key::new("nullable", Shape::Boolean, "`false` says the same as `required: true`").default("`true`"),
        Key::new("required", Shape::Boolean, "whether it is never NULL: what `!` behind the type says")
            .default("`false`"),
        Key::new(
            "default",
            Shape::Anything,
            "the value of a new row that gives none: what `= value` behind the type says",
        ),
        Key::new("description", Shape::Text, "the comment on its column"),
        Key::new("schema", Shape::Name, "the schema of a reference's target"),
        Key::new(
            "on_delete",
            Shape::Words(&["restrict", "cascade", "set_null"]),
            "what becomes of the row when the row that it refers to is really deleted",
        )
        .default("`restrict`"),
        Key::new(
            "backfill",
            Shape::Value,
            "what rows that are there already get when the field becomes required: an expression over their other fields",
        ),
        Key::new(
            "unique",
            Shape::Boolean,
            "whether no two live rows have the same value: one that was deleted gives its own back",
        )
        .default("`false`"),
        Key::new("min", Shape::Number, "the least number that it may be"),
        Key::new("max", Shape::Number, "the greatest number that it may be"),
        Key::new("pattern", Shape::Text, "a regular expression that a text matches; `^…$` for all of it"),
        Key::new(
            "renamed_from",
            Shape::Name,
            "the name that it had before: the next migration renames its column, instead of dropping it",
        ),
    ],
);

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
    let outer = Keys::read(document, &FILE, diagnostics)?;
    let inner = match &entity.value.value {
        Value::Mapping(_) => Some(Keys::read(&entity.value, &ENTITY, diagnostics)?),
        _ => None,
    };
    let name = match &inner {
        Some(inner) => inner.required_text("name", entity.key_span, diagnostics),
        None => keys::text(&entity.value, "entity", diagnostics),
    };
    let mut parts = Parts { outer, inner, diagnostics };
    Some(EntitySyntax {
        schema: parts.entry("schema").and_then(|entry| keys::text(&entry.value, "schema", parts.diagnostics)),
        description: parts
            .entry("description")
            .and_then(|entry| keys::text(&entry.value, "description", parts.diagnostics))
            .map(|text| text.value),
        key: parts.entry("key").and_then(|entry| keys::text(&entry.value, "key", parts.diagnostics)),
        fields: parts.entry("fields").map(|entry| read_fields(&entry.value, parts.diagnostics)).unwrap_or_default(),
        unique: parts.entry("unique").map(|e| row_rule::read_unique(&e.value, parts.diagnostics)).unwrap_or_default(),
        indexes: parts
            .entry("indexes")
            .map(|e| row_rule::read_indexes(&e.value, parts.diagnostics))
            .unwrap_or_default(),
        checks: parts.entry("checks").map(|e| row_rule::read_checks(&e.value, parts.diagnostics)).unwrap_or_default(),
        functions: parts
            .entry("functions")
            .map(|e| function::read_all(&e.value, parts.diagnostics))
            .unwrap_or_default(),
        actions: parts.entry("actions").map(|e| action::read_all(&e.value, parts.diagnostics)).unwrap_or_default(),
        schedules: parts
            .entry("schedules")
            .map(|e| schedule::read_all(&e.value, parts.diagnostics))
            .unwrap_or_default(),
        renamed_from: parts
            .entry("renamed_from")
            .and_then(|entry| keys::text(&entry.value, "renamed_from", parts.diagnostics)),
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
        backfill: None,
        unique: false,
        min: None,
        max: None,
        pattern: None,
        description: None,
        renamed_from: None,
    };
    if !matches!(entry.value.value, Value::Mapping(_)) {
        field.ty = read_type(&entry.value, diagnostics);
        return field;
    }
    let Some(keys) = Keys::read(&entry.value, &FIELD, diagnostics) else { return field };
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
    field.backfill = keys.get("backfill").and_then(|node| value::read(node, diagnostics));
    field.unique = keys.boolean("unique", diagnostics).unwrap_or(false);
    field.min = keys.get("min").cloned();
    field.max = keys.get("max").cloned();
    field.pattern = keys.text("pattern", diagnostics);
    field.description = keys.text("description", diagnostics).map(|text| text.value);
    field.renamed_from = keys.text("renamed_from", diagnostics);
    field
}

/// Reads a type.
pub(super) fn read_type(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<TypeSyntax> {
    types::parse(node).map_err(|error| diagnostics.push(*error)).ok()
}
