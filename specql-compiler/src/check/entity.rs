//! Entities and fields: ids, types, references and defaults.

use std::collections::{BTreeMap, BTreeSet};

use specql_registry::{Basic, ValueType};

use super::{find_entity, function, limits, names, rename, row_rule};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0138_duplicate_name as duplicate_name, sq0141_invalid_option as invalid_option,
            sq0150_ref_to_tenant as ref_to_tenant, sq0155_key_type as key_type, sq0303_type_mismatch as type_mismatch,
        },
    },
    domain::Domains,
    model::{
        Entity, EntityId, Expr, ExprKind, Field, FieldType, KeyType, OnDelete,
        expr::{ExprType, Literal},
        names::{derived, snake},
    },
    source::{Sources, Span, Spanned},
    syntax::{
        entity::{EntitySyntax, FieldSyntax},
        types::{self, DefaultSyntax, TypeKind, TypeSyntax},
    },
};

/// The schema of an entity that names none.
const DEFAULT_SCHEMA: &str = "public";

/// All entities with their fields, and the names of what could not be understood.
#[derive(Debug, Default)]
pub(crate) struct Entities<'a> {
    /// Ordered by (schema, name), without actions.
    pub entities: Vec<Entity>,
    /// What each was written as.
    pub syntax: Vec<&'a EntitySyntax>,
    /// See [`super::Project::broken_fields`].
    pub broken_fields: BTreeSet<(EntityId, String)>,
    /// See [`super::Project::broken_entities`].
    pub broken_entities: BTreeSet<String>,
    /// See [`super::Project::broken_functions`].
    pub broken_functions: BTreeSet<String>,
}

/// Checks all entities but their actions.
pub(crate) fn check<'a>(
    sources: &Sources,
    domains: &Domains,
    written: &'a [EntitySyntax],
    diagnostics: &mut Vec<Diagnostic>,
) -> Entities<'a> {
    let mut result = Entities::default();
    let mut accepted: Vec<(String, &EntitySyntax)> = Vec::new();
    let mut names: BTreeMap<&str, Span> = BTreeMap::new();
    let mut tables: BTreeMap<(String, String), &Spanned<String>> = BTreeMap::new();
    for entity in written {
        let schema = schema_of(entity, domains, diagnostics);
        if !names::check_entity(&entity.name, diagnostics) {
            result.broken_entities.insert(entity.name.value.clone());
            continue;
        }
        let name = &entity.name;
        if let Some(first) = names.get(name.value.as_str()) {
            diagnostics.push(duplicate_name::entity(name.span, *first, &name.value));
            continue;
        }
        names.insert(&name.value, name.span);
        let table = (schema.clone(), snake(&name.value));
        if let Some(first) = tables.get(&table) {
            let shown = format!("{}.tb_{}", table.0, table.1);
            diagnostics.push(duplicate_name::table(name.span, first.span, &name.value, &first.value, &shown));
            result.broken_entities.insert(name.value.clone());
            continue;
        }
        tables.insert(table, name);
        accepted.push((schema, entity));
    }
    accepted.sort_by(|a, b| (&a.0, &a.1.name.value).cmp(&(&b.0, &b.1.name.value)));
    result.entities = accepted.iter().map(|(schema, entity)| bare(sources, domains, schema, entity)).collect();
    let used =
        accepted.iter().map(|(schema, entity)| (schema.as_str(), entity.schema.as_ref().map(|schema| schema.span)));
    domains.compare(used, diagnostics);
    result.syntax = accepted.into_iter().map(|(_, entity)| entity).collect();
    for (entity, written) in result.entities.iter_mut().zip(&result.syntax) {
        let Some(key) = &written.key else { continue };
        match KeyType::from_name(&key.value) {
            Some(key) => entity.key = key,
            None => diagnostics.push(key_type::error(key.span, &key.value)),
        }
    }
    rename::entities(domains, &mut result, diagnostics);
    for index in 0..result.entities.len() {
        fields(sources, domains, &mut result, EntityId(index), diagnostics);
        row_rule::check(sources, &mut result, EntityId(index), diagnostics);
    }
    function::check(sources, domains, &mut result, diagnostics);
    result
}

fn schema_of(entity: &EntitySyntax, domains: &Domains, diagnostics: &mut Vec<Diagnostic>) -> String {
    match &entity.schema {
        Some(schema) if names::check_schema(schema, diagnostics) => domains.resolve(&schema.value).to_owned(),
        _ => DEFAULT_SCHEMA.to_owned(),
    }
}

/// An entity before its fields: enough to refer to it.
fn bare(sources: &Sources, domains: &Domains, schema: &str, entity: &EntitySyntax) -> Entity {
    Entity {
        name: entity.name.value.clone(),
        snake: snake(&entity.name.value),
        schema: schema.to_owned(),
        description: entity.description.clone(),
        key: KeyType::default(),
        fields: Vec::new(),
        unique: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        functions: Vec::new(),
        actions: Vec::new(),
        multi_tenant: domains.is_multi_tenant(schema),
        renamed_from: None,
        origin: sources.origin(entity.name.span),
    }
}

fn fields(
    sources: &Sources,
    domains: &Domains,
    result: &mut Entities<'_>,
    id: EntityId,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut checked = Vec::new();
    for written in &result.syntax[id.0].fields {
        let named = names::check_field(&written.name, diagnostics);
        match field(sources, domains, result, written, diagnostics).filter(|_| named) {
            Some(field) => {
                refuse_ref_to_tenant(result, id, &field, written, diagnostics);
                checked.push(field);
            }
            None => {
                result.broken_fields.insert((id, written.name.value.clone()));
            }
        }
    }
    rename::fields(&result.syntax[id.0].fields, &mut checked, diagnostics);
    result.entities[id.0].fields = checked;
}

/// A row that all tenants share must not refer to a row of one tenant.
fn refuse_ref_to_tenant(
    result: &Entities<'_>,
    id: EntityId,
    field: &Field,
    written: &FieldSyntax,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let (FieldType::Ref { target, .. }, Some(syntax)) = (&field.ty, &written.ty) else { return };
    let (entity, target) = (&result.entities[id.0], &result.entities[target.0]);
    if target.multi_tenant && !entity.multi_tenant {
        let (from, to) =
            ((entity.name.as_str(), entity.schema.as_str()), (target.name.as_str(), target.schema.as_str()));
        diagnostics.push(ref_to_tenant::error(syntax.span, from, to));
    }
}

fn field(
    sources: &Sources,
    domains: &Domains,
    entities: &Entities<'_>,
    written: &FieldSyntax,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Field> {
    let syntax = written.ty.as_ref()?;
    let required = written.required.unwrap_or(false) || syntax.required;
    let ty = field_type(entities, domains, syntax, written.schema.as_ref(), diagnostics)?;
    let ty = match ty {
        FieldType::Ref { target, .. } => {
            FieldType::Ref { target, on_delete: on_delete(written.on_delete.as_ref(), required, diagnostics) }
        }
        FieldType::Value(_) => {
            for option in [&written.on_delete, &written.schema].into_iter().flatten() {
                let message = "only a reference has this key";
                diagnostics.push(invalid_option::error(option.span, message, "give the field the type `ref(Entity)`"));
            }
            ty
        }
    };
    if written.required == Some(false) && syntax.required {
        let message = "`!` says that this field is required, another key that it is not";
        diagnostics.push(invalid_option::error(syntax.span, message, "keep one of them"));
    }
    // PostgreSQL has no order of points, which an index of unique values wants.
    if written.unique && matches!(&ty, FieldType::Value(ty) if innermost(ty).is_point()) {
        let help = "keep the two numbers in fields of their own";
        diagnostics.push(invalid_option::error(written.name.span, "points cannot be unique", help));
    }
    let default = default(written, syntax, &ty, diagnostics);
    let limits = limits::check(written, &ty, default.as_ref(), diagnostics);
    let name = written.name.value.clone();
    Some(Field {
        column: column_of(&ty, &name),
        name,
        ty,
        required,
        unique: written.unique,
        default,
        limits,
        backfill: None,
        description: written.description.clone(),
        renamed_from: None,
        origin: sources.origin(written.name.span),
    })
}

/// The column of a field of that type and name.
pub(super) fn column_of(ty: &FieldType, name: &str) -> String {
    match ty {
        FieldType::Value(_) => name.to_owned(),
        FieldType::Ref { .. } => derived(&format!("fk_{name}")),
    }
}

/// The type of a field or of an action's input, without a ref's `on_delete`.
fn field_type(
    entities: &Entities<'_>,
    domains: &Domains,
    syntax: &TypeSyntax,
    schema: Option<&Spanned<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<FieldType> {
    resolve_type(&entities.entities, &entities.broken_entities, domains, syntax, schema, diagnostics)
}

/// See [`field_type`].
pub(super) fn resolve_type(
    entities: &[Entity],
    broken: &BTreeSet<String>,
    domains: &Domains,
    syntax: &TypeSyntax,
    schema: Option<&Spanned<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<FieldType> {
    let TypeKind::Ref { schema: in_type, entity } = &syntax.ty.kind else {
        return types::resolve_value(&syntax.ty).map_err(|error| diagnostics.push(*error)).ok().map(FieldType::Value);
    };
    let schema = in_type.as_ref().or(schema).map(|schema| schema.value.as_str());
    let target = find_entity(entities, broken, domains, schema, &entity.value, entity.span, diagnostics)?;
    Some(FieldType::Ref { target, on_delete: OnDelete::default() })
}

/// What a list holds in the end.
pub(super) fn innermost(ty: &ValueType) -> &ValueType {
    match ty {
        ValueType::List(item) => innermost(item),
        other => other,
    }
}

fn on_delete(written: Option<&Spanned<String>>, required: bool, diagnostics: &mut Vec<Diagnostic>) -> OnDelete {
    let Some(Spanned { value, span }) = written else { return OnDelete::default() };
    match value.as_str() {
        "restrict" => OnDelete::Restrict,
        "cascade" => OnDelete::Cascade,
        "set_null" if required => {
            let message = "a required reference cannot become NULL";
            let help = "choose `restrict` or `cascade`, or let the field be NULL";
            diagnostics.push(invalid_option::error(*span, message, help));
            OnDelete::default()
        }
        "set_null" => OnDelete::SetNull,
        other => {
            let message = format!("`on_delete` cannot be `{}`", other.escape_debug());
            diagnostics.push(invalid_option::error(*span, message, "it is `restrict`, `cascade` or `set_null`"));
            OnDelete::default()
        }
    }
}

/// The default of a field, from either form.
fn default(
    written: &FieldSyntax,
    syntax: &TypeSyntax,
    ty: &FieldType,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Expr> {
    if let (Some(node), Some(_)) = (&written.default, &syntax.default) {
        diagnostics.push(invalid_option::error(node.span, "this field has two defaults", "keep one of them"));
    }
    let span =
        written.default.as_ref().map(|node| node.span).or(syntax.default.as_ref().map(|default| default.span))?;
    let FieldType::Value(value_type) = ty else {
        let message = "a reference has no default";
        diagnostics.push(invalid_option::error(span, message, "set it in the `values` of an insert"));
        return None;
    };
    let is_now = syntax.default.as_ref().is_some_and(types::DefaultSyntax::is_now)
        || written.default.as_ref().is_some_and(|node| node.as_text() == Some("now()"));
    if is_now && written.default.is_some() != syntax.default.is_some() {
        return now(value_type, span, diagnostics);
    }
    match (&written.default, &syntax.default) {
        (Some(node), _) => constant(value_type, types::check_default_node(value_type, node), diagnostics),
        (None, Some(default)) => constant_default(default, ty, diagnostics),
        (None, None) => None,
    }
}

/// A default behind `=`: a constant of the type, or `now()`.
pub(super) fn constant_default(
    written: &DefaultSyntax,
    ty: &FieldType,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Expr> {
    match ty {
        FieldType::Ref { .. } => {
            let message = "a reference has no default";
            diagnostics.push(invalid_option::error(written.span, message, "leave it out, and choose one in the steps"));
            None
        }
        FieldType::Value(ty) if written.is_now() => now(ty, written.span, diagnostics),
        FieldType::Value(ty) => constant(ty, types::check_default(ty, written), diagnostics),
    }
}

fn now(ty: &ValueType, span: Span, diagnostics: &mut Vec<Diagnostic>) -> Option<Expr> {
    if *ty != ValueType::Basic(Basic::Timestamp) {
        diagnostics.push(type_mismatch::error(span, &super::expr::describe_value(ty), "timestamp (`now()`)"));
        return None;
    }
    let kind = ExprKind::Call { function: "now", args: Vec::new() };
    Some(Expr { kind, ty: ExprType::Value(ty.clone()), nullable: false })
}

fn constant(
    ty: &ValueType,
    json: Result<serde_json::Value, Box<Diagnostic>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Expr> {
    let literal = literal(ty, json.map_err(|error| diagnostics.push(*error)).ok()?);
    Some(Expr { kind: ExprKind::Literal(literal), ty: ExprType::Value(ty.clone()), nullable: false })
}

/// A checked JSON constant of a type, as a literal.
pub(super) fn literal(ty: &ValueType, json: serde_json::Value) -> Literal {
    use serde_json::Value as Json;
    match json {
        json if ty.is_structured() => Literal::Json(json),
        Json::Null => Literal::Null,
        Json::Bool(value) => Literal::Boolean(value),
        Json::Number(number) => numeric(number.to_string()),
        Json::String(text) if is_numeric(ty) => numeric(text),
        Json::String(text) => Literal::Text(text),
        json => Literal::Json(json),
    }
}

fn numeric(text: String) -> Literal {
    if text.contains(['.', 'e', 'E']) { Literal::Decimal(text) } else { Literal::Integer(text) }
}

fn is_numeric(ty: &ValueType) -> bool {
    match ty {
        ValueType::Decimal(_) => true,
        ValueType::Scalar(scalar) => matches!(scalar.info().base, specql_registry::scalars::ScalarBase::Numeric(..)),
        _ => false,
    }
}
