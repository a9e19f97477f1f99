//! Rows that both projects of a pair take, and what becomes of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use specql_compiler::internals::model::{Entity as Compiled, Field as Column, Model};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::project::{Action, Entity, Field, Project, Type};

/// Whose the rows of tenants are.
const TENANT: Uuid = Uuid::from_u128(0x7e1);

/// So many in each table that can hold any.
const ROWS: usize = 3;

/// The values of the rows of each entity, by its key: what is in both projects.
pub(crate) type Values = BTreeMap<usize, Vec<Vec<Option<String>>>>;

/// Keys of the entities that get rows, so that those they must refer to come first.
pub(crate) fn filled(before: &Project, after: &Project) -> Vec<usize> {
    let mut filled: Vec<usize> = Vec::new();
    loop {
        let possible =
            |entity: &&Entity| !filled.contains(&entity.key) && can_hold_rows(entity, before, after, &filled);
        match before.entities.iter().find(possible) {
            Some(entity) => filled.push(entity.key),
            None => return filled,
        }
    }
}

fn is_tenants(project: &Project, entity: &Entity) -> bool {
    project.multi_tenant.contains(&entity.schema)
}

fn can_hold_rows(entity: &Entity, before: &Project, after: &Project, filled: &[usize]) -> bool {
    let Some(then) = after.entity(entity.key) else {
        return entity.fields.iter().all(|field| !field.required || can_have_values(field, None, filled));
    };
    // Rows that are there would belong to nobody.
    let stays = is_tenants(before, entity) || !is_tenants(after, then);
    let kept = |field: &Field| then.fields.iter().find(|it| it.key == field.key);
    let old = entity.fields.iter().all(|field| {
        let required = field.required || kept(field).is_some_and(|then| then.required);
        !required || can_have_values(field, kept(field), filled)
    });
    let new =
        then.fields.iter().all(|field| entity.fields.iter().any(|it| it.key == field.key) || comes_to_rows(field));
    stays && old && new
}

/// Whether rows that are there can get such a field: they have no value for it but its default, the same for all.
fn comes_to_rows(field: &Field) -> bool {
    if field.default.is_some() { !field.unique } else { !field.required }
}

fn can_have_values(field: &Field, then: Option<&Field>, filled: &[usize]) -> bool {
    match (&field.ty, then.map(|then| &then.ty)) {
        (Type::Ref(target, _), None) => filled.contains(target),
        (Type::Ref(target, _), Some(Type::Ref(other, _))) => filled.contains(target) && filled.contains(other),
        (ty, then_ty) => {
            let unique = field.unique || then.is_some_and(|then| then.unique);
            let examples = common(ty, then_ty.unwrap_or(ty));
            if unique { examples.len() >= ROWS } else { !examples.is_empty() }
        }
    }
}

/// Values, as PostgreSQL writes them, that both types have.
fn common(one: &Type, other: &Type) -> Vec<String> {
    let mut out = Vec::new();
    for example in examples(other).into_iter().chain(examples(one)) {
        if fits(&example, one) && fits(&example, other) && !out.contains(&example) {
            out.push(example);
        }
    }
    out
}

fn examples(ty: &Type) -> Vec<String> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    match ty {
        Type::Text => texts(&["it's", "a \"b\"", "", "\\"]),
        Type::Integer | Type::Bigint | Type::Decimal(..) => texts(&["1", "2", "30"]),
        Type::Float => texts(&["1.5", "2"]),
        Type::Boolean => texts(&["true", "false"]),
        Type::Timestamp => texts(&["2026-01-31 12:00:00+00"]),
        Type::Json => texts(&["{\"a\": [1, null]}"]),
        Type::Email => texts(&["a@example.com", "b@example.com", "c@example.com"]),
        Type::Texts => texts(&["{}", "{a,\"b c\"}"]),
        Type::Enum(values) => values.clone(),
        Type::Other(other) => texts(&[other.text]),
        Type::Ref(..) => Vec::new(),
    }
}

fn fits(text: &str, ty: &Type) -> bool {
    match ty {
        Type::Text => true,
        Type::Integer | Type::Bigint => text.parse::<i32>().is_ok(),
        Type::Float | Type::Decimal(..) => text.parse::<f64>().is_ok(),
        Type::Boolean => matches!(text, "true" | "false"),
        Type::Enum(values) => values.iter().any(|value| value == text),
        Type::Email => text.contains('@'),
        Type::Timestamp | Type::Json | Type::Texts => examples(ty).iter().any(|example| example == text),
        Type::Other(other) => other.text == text,
        Type::Ref(..) => false,
    }
}

/// Acts for the tenant from now on, or for nobody.
pub(crate) async fn act_for(connection: &mut PgConnection, tenant: bool) -> Result<()> {
    let tenant = if tenant { TENANT.to_string() } else { String::new() };
    sqlx::query("SELECT set_config('app.tenant_id', $1, false)").bind(tenant).execute(connection).await?;
    Ok(())
}

fn compiled<'a>(model: &'a Model, entity: &Entity) -> &'a Compiled {
    model.entities.iter().find(|it| it.name == entity.name).expect("the model has the project's entities")
}

fn column<'a>(entity: &'a Compiled, field: &Field) -> &'a Column {
    entity.fields.iter().find(|it| it.name == field.name).expect("the model has the entity's fields")
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn table(entity: &Compiled) -> String {
    format!("{}.{}", quoted(&entity.schema), quoted(&entity.table()))
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Fills the tables of the first project.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    (before, model): (&Project, &Model),
    after: &Project,
    filled: &[usize],
) -> Result<()> {
    let mut statements = Vec::new();
    let mut references = Vec::new();
    for key in filled {
        let entity = before.entity(*key).expect("it is filled because it is there");
        let compiled = compiled(model, entity);
        // One more, which equals the first and is deleted.
        for (row, deleted_at) in (0..ROWS).map(|row| (row, "NULL")).chain([(0, "now()")]) {
            let mut columns = vec!["identifier".to_owned(), "deleted_at".to_owned()];
            let mut values = vec![literal(&format!("{}-{row}", entity.name)), deleted_at.to_owned()];
            if compiled.multi_tenant {
                columns.push("tenant_id".to_owned());
                values.push(literal(&TENANT.to_string()));
            }
            for field in &entity.fields {
                let name = quoted(&column(compiled, field).column);
                let then = after.entity(*key).and_then(|then| then.fields.iter().find(|it| it.key == field.key));
                let Some(value) = value(field, then, filled, row) else { continue };
                match field.ty {
                    // What it refers to may come later.
                    Type::Ref(..) if !field.required => references.push(format!(
                        "UPDATE {} SET {name} = {value} WHERE identifier = {}",
                        table(compiled),
                        literal(&format!("{}-{row}", entity.name))
                    )),
                    _ => {
                        columns.push(name);
                        values.push(value);
                    }
                }
            }
            let (columns, values) = (columns.join(", "), values.join(", "));
            statements.push(format!("INSERT INTO {} ({columns}) VALUES ({values})", table(compiled)));
        }
    }
    statements.append(&mut references);
    let sql = statements.join(";\n");
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await.with_context(|| sql)?;
    Ok(())
}

/// The value of a row's field in SQL; `None` where the row leaves it out.
fn value(field: &Field, then: Option<&Field>, filled: &[usize], row: usize) -> Option<String> {
    let nullable = !field.required && then.is_none_or(|then| !then.required);
    if nullable && (row + 1 == ROWS || !can_have_values(field, then, filled)) {
        return Some("NULL".to_owned());
    }
    if let Type::Ref(..) = field.ty {
        return Some((row + 1).to_string());
    }
    let values = common(&field.ty, then.map_or(&field.ty, |then| &then.ty));
    Some(literal(values.get(row % values.len().max(1))?))
}

/// Fields of rows that refer to another entity after the step. What they pointed at they cannot point at any more.
pub(crate) fn retargeted(before: &Project, after: &Project, filled: &[usize]) -> usize {
    let fields = filled.iter().filter_map(|key| Some((before.entity(*key)?, after.entity(*key)?)));
    let count = |(entity, then): (&Entity, &Entity)| {
        let other = |field: &&Field| then.fields.iter().any(|it| it.key == field.key && !same_target(field, it));
        entity.fields.iter().filter(other).count()
    };
    fields.map(count).sum()
}

fn same_target(field: &Field, other: &Field) -> bool {
    match (&field.ty, &other.ty) {
        (Type::Ref(target, _), Type::Ref(other, _)) => target == other,
        _ => true,
    }
}

/// The values of what both projects have, as the database of `model` has them now. A reference is what it points at: the number in
/// its column says nothing by itself.
pub(crate) async fn read(
    connection: &mut PgConnection,
    (project, model): (&Project, &Model),
    other: &Project,
    filled: &[usize],
) -> Result<Values> {
    let mut out = Values::new();
    for key in filled {
        let (Some(entity), Some(there)) = (project.entity(*key), other.entity(*key)) else { continue };
        let compiled = compiled(model, entity);
        let mut columns: Vec<String> = ["id", "identifier", "created_at", "deleted_at"].map(str::to_owned).into();
        let mut kept: Vec<&Field> = entity
            .fields
            .iter()
            .filter(|field| there.fields.iter().any(|it| it.key == field.key && same_target(field, it)))
            .collect();
        kept.sort_by_key(|field| field.key);
        columns.extend(kept.into_iter().map(|field| {
            let name = format!("t.{}", quoted(&column(compiled, field).column));
            match &field.ty {
                Type::Ref(target, _) => {
                    let target = self::compiled(model, project.entity(*target).expect("a tidy project has it"));
                    format!("(SELECT r.id FROM {} AS r WHERE r.{} = {name})", table(target), quoted(&target.pk()))
                }
                _ => name,
            }
        }));
        let columns: Vec<String> = columns.iter().map(|column| format!("{column}::text")).collect();
        let sql = format!(
            "SELECT ARRAY[{}] FROM {} AS t ORDER BY t.{}",
            columns.join(", "),
            table(compiled),
            quoted(&compiled.pk())
        );
        let rows: Vec<Vec<Option<String>>> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
        out.insert(*key, rows.into_iter().map(|row| row.into_iter().map(|value| value.map(plain)).collect()).collect());
    }
    Ok(out)
}

/// The value apart from how its type is written: a number without the zeros at its end, an address without its netmask.
fn plain(text: String) -> String {
    let text = text.strip_suffix("/32").map(str::to_owned).unwrap_or(text);
    let is_number = text.contains('.') && text.parse::<f64>().is_ok();
    if is_number { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Whether the step from `after` back to `before` finds rows for which it has no value: in a column that must have one, or
/// that refers to rows which are gone.
pub(crate) fn is_lossy(before: &Project, after: &Project, filled: &[usize]) -> bool {
    filled.iter().any(|key| {
        let (Some(entity), Some(then)) = (before.entity(*key), after.entity(*key)) else { return false };
        let loses = |field: &Field| match then.fields.iter().find(|it| it.key == field.key) {
            None => !comes_to_rows(field),
            Some(_) => matches!(field.ty, Type::Ref(target, _) if after.entity(target).is_none()),
        };
        is_tenants(before, entity) != is_tenants(after, then) || entity.fields.iter().any(loses)
    })
}

/// Empties all tables of a project.
pub(crate) async fn empty(connection: &mut PgConnection, model: &Model) -> Result<()> {
    let tables: Vec<String> = model.entities.iter().map(table).collect();
    sqlx::raw_sql(AssertSqlSafe(format!("TRUNCATE {}", tables.join(", ")))).execute(connection).await?;
    Ok(())
}

/// Calls the action that makes a row, of each entity that has one. How many were called.
pub(crate) async fn create(connection: &mut PgConnection, project: &Project, model: &Model) -> Result<usize> {
    let mut called = 0;
    for entity in project.entities.iter().filter(|entity| entity.actions.contains(&Action::Create)) {
        let Some(input) = input(connection, project, model, entity).await? else { continue };
        let sql = format!("SELECT to_jsonb(r) FROM app.create_{}($1, NULL, $2) AS r", entity.snake());
        let result: Value = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(TENANT)
            .bind(Value::from(input.clone()))
            .fetch_one(&mut *connection)
            .await?;
        if result["status"] != "success" {
            let why: Option<String> = sqlx::query_scalar(
                "SELECT error_message FROM app.tb_mutation_audit_log ORDER BY pk_mutation_audit_log DESC LIMIT 1",
            )
            .fetch_one(&mut *connection)
            .await?;
            ensure!(false, "create_{}({}): {result} {}", entity.snake(), Value::from(input), why.unwrap_or_default());
        }
        called += 1;
    }
    Ok(called)
}

/// `None` where the row would have to refer to one that is not there.
async fn input(
    connection: &mut PgConnection,
    project: &Project,
    model: &Model,
    entity: &Entity,
) -> Result<Option<Map<String, Value>>> {
    let mut input = Map::new();
    for field in &entity.fields {
        let value = match &field.ty {
            Type::Text => json!("another"),
            Type::Integer | Type::Bigint => json!(777),
            Type::Decimal(..) => json!("777"),
            Type::Float => json!(1.5),
            Type::Boolean => json!(true),
            Type::Timestamp => json!("2026-01-31T12:00:00Z"),
            Type::Json => json!({"a": 1}),
            Type::Email => json!("another@example.com"),
            Type::Texts => json!(["a"]),
            Type::Enum(values) => json!(values.first()),
            Type::Other(other) => serde_json::from_str(other.json).unwrap(),
            Type::Ref(target, _) => {
                let target = project.entity(*target).expect("a tidy project has the targets of its references");
                let sql = format!("SELECT id FROM {} WHERE deleted_at IS NULL LIMIT 1", table(compiled(model, target)));
                let id: Option<Uuid> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(&mut *connection).await?;
                match id {
                    Some(id) => json!(id),
                    None if field.required => return Ok(None),
                    None => continue,
                }
            }
        };
        input.insert(field.name.clone(), value);
    }
    Ok(Some(input))
}
