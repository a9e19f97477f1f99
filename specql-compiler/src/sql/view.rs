//! An entity's read view: each live row as its public id, one JSON document, and when it was made and changed.

use super::{
    entity::{CURRENT_TENANT, tenant_and},
    facts::Facts,
    object::{Need, Object, ObjectKind},
    quote::{ident, literal, qualified},
    types::{in_json, in_json_needs},
    writer::indented,
};
use crate::model::{Entity, Field, FieldType, Model};

/// PostgreSQL takes at most 100 arguments in a call; a pair is two.
const PAIRS_IN_A_CALL: usize = 40;

/// The columns behind the document, by which readers order and page.
const TIMES: [&str; 2] = ["created_at", "updated_at"];

/// `v_order (id, data, created_at, updated_at)`.
pub(super) fn view(model: &Model, entity: &Entity) -> Object {
    let name = qualified(&entity.schema, &entity.view());
    let mut pairs = vec![("id".to_owned(), "t.id".to_owned()), ("identifier".to_owned(), "t.identifier".to_owned())];
    pairs.extend(entity.fields.iter().map(|field| (field.name.clone(), public_value(model, field))));
    pairs.extend(TIMES.map(|column| (column.to_owned(), format!("t.{column}"))));

    // The reader's own rights decide about tenants, not those of the view's owner. The predicate holds even for a
    // superuser, whom no policy binds.
    let (tenant, options) =
        if entity.multi_tenant { ("    t.tenant_id,\n", " WITH (security_invoker = true)") } else { ("", "") };
    let predicate =
        if entity.multi_tenant { format!("\n    AND t.tenant_id = {CURRENT_TENANT}") } else { String::new() };
    let create = format!(
        "CREATE VIEW {name}{options} AS\nSELECT\n    t.id,\n{tenant}{} AS data,\n    t.created_at,\n    t.updated_at\nFROM {} AS t\nWHERE t.deleted_at IS NULL{predicate}",
        indented(&json_object(&pairs)),
        qualified(&entity.schema, &entity.table()),
    );
    let comment = format!("Live rows of {} as JSON", entity.name);
    let columns = ["id"].into_iter().chain(entity.multi_tenant.then_some("tenant_id")).chain(["data"]).chain(TIMES);
    let facts = Facts::View { columns: columns.map(str::to_owned).collect(), invoker: entity.multi_tenant };
    let create = vec![create, format!("COMMENT ON VIEW {name} IS {}", literal(&comment))];
    Object::made_by(ObjectKind::View, name, create)
        .from(&entity.origin)
        .that_needs(entity.fields.iter().filter_map(|field| public_value_needs(model, field)))
        .that_needs([Need::table(qualified(&entity.schema, &entity.table()))])
        .known_as(facts)
}

/// A JSON object of names and values, a pair a line.
pub(super) fn json_object(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return "'{}'::jsonb".to_owned();
    }
    let calls: Vec<String> = pairs
        .chunks(PAIRS_IN_A_CALL)
        .map(|chunk| {
            let lines: Vec<String> =
                chunk.iter().map(|(name, value)| indented(&format!("{}, {value}", literal(name)))).collect();
            format!("jsonb_build_object(\n{}\n)", lines.join(",\n"))
        })
        .collect();
    calls.join(" || ")
}

/// What [`public_value`] reads or calls.
fn public_value_needs(model: &Model, field: &Field) -> Option<Need> {
    match &field.ty {
        FieldType::Ref { target, .. } => {
            let target = model.entity(*target);
            Some(Need::table(qualified(&target.schema, &target.table())))
        }
        FieldType::Value(ty) => in_json_needs(ty),
    }
}

/// A field's value as it leaves the database.
fn public_value(model: &Model, field: &Field) -> String {
    let column = format!("t.{}", ident(&field.column));
    match &field.ty {
        FieldType::Ref { target, .. } => {
            let target = model.entity(*target);
            format!(
                "(SELECT r.id FROM {} AS r WHERE r.{} = {column}{})",
                qualified(&target.schema, &target.table()),
                ident(&target.pk()),
                tenant_and(target, "r", "t.tenant_id"),
            )
        }
        FieldType::Value(ty) => in_json(ty, &column),
    }
}
