//! Schedules as rows of `jobs.tb_schedule`.

use super::{
    object::{Need, Object, ObjectKind, Rename},
    quote::{jsonb, literal},
};
use crate::model::{Entity, Model, Schedule};

/// What a schedule is known by: `Order.nightly`.
fn key(model: &Model, schedule: &Schedule) -> String {
    format!("{}.{}", model.entity(schedule.entity).name, schedule.name)
}

/// What it was known by, where that was something else.
pub(super) fn rename(model: &Model, schedule: &Schedule) -> Option<Rename> {
    Some(Rename::Schedule { from: schedule.renamed_from.clone()?, to: key(model, schedule) })
}

/// The schedule's row. What became of it so far is kept; under another rule it counts from now on, for a time that no
/// rule had set was not missed.
pub(super) fn registration(model: &Model, schedule: &Schedule) -> Object {
    let entity = &model.entity(schedule.entity).name;
    let key = key(model, schedule);
    let columns =
        ["entity_type", "name", "wrapper", "cron", "timezone", "input", "catch_up", "tenants_schema", "tenants_table"];
    let tenants = schedule.tenants.map(|tenants| model.entity(tenants));
    let or_null = |text: Option<String>| text.map_or_else(|| "NULL".to_owned(), |text| literal(&text));
    let values = [
        literal(entity),
        literal(&schedule.name),
        literal(&schedule.wrapper),
        literal(&schedule.cron),
        literal(&schedule.timezone),
        jsonb(&serde_json::Value::Object(schedule.input.clone())),
        literal(schedule.catch_up.name()),
        or_null(tenants.map(|entity| entity.schema.clone())),
        or_null(tenants.map(Entity::table)),
    ];
    let updates: Vec<String> = columns.iter().map(|column| format!("    {column} = EXCLUDED.{column},")).collect();
    let create = format!(
        "INSERT INTO jobs.tb_schedule AS s (key, {})\n\
         VALUES (\n    {},\n    {}\n)\n\
         ON CONFLICT (key) DO UPDATE SET\n\
         {}\n    \
         counted_to = CASE\n        \
         WHEN (s.cron, s.timezone) = (EXCLUDED.cron, EXCLUDED.timezone) THEN s.counted_to\n        \
         ELSE EXCLUDED.counted_to\n    \
         END",
        columns.join(", "),
        literal(&key),
        values.join(",\n    "),
        updates.join("\n"),
    );
    let drop = vec![format!("DELETE FROM jobs.tb_schedule WHERE key = {}", literal(&key))];
    Object::made_by(ObjectKind::Data, format!("schedule {key}"), vec![create])
        .from(&schedule.origin)
        .unmade_by(drop)
        .that_needs([Need::table("jobs.tb_schedule")])
}
