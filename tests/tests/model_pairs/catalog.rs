//! What a database consists of, read from PostgreSQL's catalogs, and how two of them differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::Result;
use sqlx::PgConnection;

/// Objects by kind and name, with their definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    objects: BTreeMap<(String, String), String>,
    /// Callbacks that the model no longer has, and that queued jobs may still name.
    retired: BTreeSet<String>,
}

/// The rows that belong to the schema.
const REGISTERED: &str = "
    SELECT 'callback', c.key, concat_ws(' | ', c.kind, c.schema_name, c.function_name, c.batch_function, c.service_name,
        c.operation, c.entity_type)
    FROM jobs.tb_callback AS c WHERE c.retired_at IS NULL
    UNION ALL
    SELECT 'schedule', s.key, concat_ws(' | ', s.entity_type, s.name, s.wrapper, s.cron, s.timezone, s.input::text, s.catch_up)
    FROM jobs.tb_schedule AS s";

const RETIRED: &str = "
    SELECT p.oid::regprocedure::text
    FROM jobs.tb_callback AS c
    JOIN pg_proc AS p ON p.pronamespace = to_regnamespace(quote_ident(c.schema_name)) AND p.proname = c.function_name
    WHERE c.retired_at IS NOT NULL";

/// What this database consists of.
pub(crate) async fn read(connection: &mut PgConnection) -> Result<Catalog> {
    // So that every name is shown with its schema.
    sqlx::query("SET search_path = pg_catalog").execute(&mut *connection).await?;
    let mut rows: Vec<(String, String, Option<String>)> =
        sqlx::query_as(include_str!("catalog.sql")).fetch_all(&mut *connection).await?;
    let mut retired = BTreeSet::new();
    let queue: bool =
        sqlx::query_scalar("SELECT to_regclass('jobs.tb_callback') IS NOT NULL").fetch_one(&mut *connection).await?;
    if queue {
        rows.extend(sqlx::query_as(REGISTERED).fetch_all(&mut *connection).await?);
        retired.extend(sqlx::query_scalar::<_, String>(RETIRED).fetch_all(&mut *connection).await?);
    }
    sqlx::query("RESET search_path").execute(&mut *connection).await?;
    let objects = rows
        .into_iter()
        .map(|(kind, name, definition)| ((kind, name), without_places(&definition.unwrap_or_default())))
        .collect();
    Ok(Catalog { objects, retired })
}

/// Without the comments that say which line of YAML a statement came from: that a line has moved is no change.
fn without_places(definition: &str) -> String {
    let is_place = |line: &&str| line.trim().starts_with("-- entities/all.yaml:");
    definition.split('\n').filter(|line| !is_place(line)).collect::<Vec<_>>().join("\n")
}

impl Catalog {
    /// What this one has otherwise than `fresh`; empty when they are the same. Callbacks that are retired here are no difference.
    pub(crate) fn differences(&self, fresh: &Self) -> String {
        let mut out = String::new();
        for ((kind, name), definition) in &self.objects {
            if self.is_kept_for_jobs(kind, name) {
                continue;
            }
            match fresh.objects.get(&(kind.clone(), name.clone())) {
                None => writeln!(out, "{kind} {name} should not be there: {definition}").expect("a text takes more"),
                Some(other) if other != definition => {
                    writeln!(out, "{kind} {name}\n    is        {definition}\n    should be {other}")
                        .expect("a text takes more");
                }
                Some(_) => {}
            }
        }
        for ((kind, name), definition) in &fresh.objects {
            if !self.objects.contains_key(&(kind.clone(), name.clone())) {
                writeln!(out, "{kind} {name} is missing: {definition}").expect("a text takes more");
            }
        }
        out
    }

    /// Whether it is a retired callback, or a schema that is there for one.
    fn is_kept_for_jobs(&self, kind: &str, name: &str) -> bool {
        match kind {
            "function" => self.retired.contains(name),
            "schema" => {
                let schema = |function: &String| function.split('.').next().map(|it| it.trim_matches('"') == name);
                self.retired.iter().any(|function| schema(function) == Some(true))
            }
            _ => false,
        }
    }
}
