//! Projects compiled in the test's own process, and databases made of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use specql_compiler::{
    Compilation, Sources, compile,
    internals::{build, sql},
    render,
};
use specql_runtime::testing::TestDatabase;
use sqlx::PgPool;
use uuid::Uuid;

use crate::migrations;

/// The project in a folder.
///
/// # Errors
/// When it cannot be read, or has mistakes.
pub fn folder(dir: &Path) -> anyhow::Result<Compilation> {
    checked(&build::load(dir).with_context(|| dir.display().to_string())?)
}

/// A project of entity files (`entities/….yaml`) and registry files (`registry/….yaml`): path and text.
///
/// # Errors
/// When it has mistakes.
pub fn files(files: &[(&str, &str)]) -> anyhow::Result<Compilation> {
    checked(&Sources::new(files.iter().map(|(path, text)| migrations::file(path, *text)).collect()))
}

fn checked(sources: &Sources) -> anyhow::Result<Compilation> {
    let compilation = compile(sources);
    if compilation.has_errors() {
        let said: Vec<_> = compilation.diagnostics.iter().map(|found| render(found, sources, false)).collect();
        bail!("{}", said.join("\n\n"));
    }
    Ok(compilation)
}

/// A database with the project's whole schema, and its operations registered.
///
/// # Errors
/// When the server refuses it.
pub async fn database(project: &Compilation) -> anyhow::Result<TestDatabase> {
    let database = TestDatabase::from_sql(&sql::schema(&project.model).render()).await?;
    register(database.pool(), project).await?;
    Ok(database)
}

/// Makes the project's operations known to a database, as `Database::migrate` does.
///
/// # Errors
/// When the database refuses them.
pub async fn register(pool: &PgPool, project: &Compilation) -> anyhow::Result<()> {
    let services = project.model.registry.services.values();
    let operations: Vec<_> = services
        .flat_map(|service| {
            service.operations.keys().map(|operation| {
                serde_json::json!({
                    "service": service.name, "operation": operation, "execution_type": "http", "timeout_seconds": 30,
                    "max_attempts": 3, "unique": "in_flight", "idempotent": true, "environment": "test",
                    "policy_hash": "none"
                })
            })
        })
        .collect();
    if !operations.is_empty() {
        sqlx::query("SELECT jobs.register_operations($1)")
            .bind(serde_json::Value::from(operations))
            .execute(pool)
            .await?;
    }
    Ok(())
}

/// Does a worker's part by hand: claims the oldest ready job and completes it with this output. What became of it.
///
/// # Errors
/// When there is none, or the database refuses it.
pub async fn complete(pool: &PgPool, output: &serde_json::Value) -> anyhow::Result<String> {
    let end = "jobs.complete($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY[$2::jsonb], ARRAY[NULL::jsonb])";
    finish(pool, end, output).await
}

/// The same for a call that failed for good; `error` is what the service said.
///
/// # Errors
/// When there is none, or the database refuses it.
pub async fn fail(pool: &PgPool, error: &str) -> anyhow::Result<String> {
    let end = "jobs.fail($1, ARRAY[c.pk_job_run], ARRAY[c.epoch], ARRAY['permanent_reported'], ARRAY[$2 #>> '{}'], \
               ARRAY[NULL::bigint], ARRAY[TRUE], ARRAY[NULL::jsonb])";
    finish(pool, end, &serde_json::Value::from(error)).await
}

async fn finish(pool: &PgPool, end: &str, with: &serde_json::Value) -> anyhow::Result<String> {
    let worker = uuid::Uuid::new_v4();
    sqlx::query("SELECT jobs.register_worker($1, 'by hand', '1', '{}')").bind(worker).execute(pool).await?;
    let sql = format!(
        "WITH c AS MATERIALIZED (SELECT * FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1)) \
         SELECT e.result FROM c CROSS JOIN LATERAL {end} AS e"
    );
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(worker).bind(with).fetch_one(pool).await?)
}

/// The schema `jobs` alone, in creation order: the compiler's sources, and its roles with what they are granted.
///
/// # Errors
/// When they cannot be read.
pub fn queue_schema() -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specql-compiler/src/sql/jobs");
    let mut paths = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    let read = |path: &PathBuf| fs::read_to_string(path).with_context(|| path.display().to_string());
    let schema = paths.iter().map(read).collect::<anyhow::Result<String>>()?;
    let operation = "services: [{name: any, operations: [{name: any, input_schema: {}, output_schema: {}}]}]\n";
    let project = sql::schema(&files(&[("registry/any.yaml", operation)])?.model);
    let is_role = |object: &&sql::Object| ["specql_worker", "specql_enqueuer"].contains(&&*object.name);
    let roles: Vec<String> = project.objects.iter().filter(is_role).flat_map(sql::Object::create).collect();
    Ok(format!("{schema}\n{};\n", roles.join(";\n")))
}

/// Claims the oldest job as a worker of its own, and records that it succeeded with the answer `{"id": "ch_1"}`; what
/// `jobs.complete` says.
///
/// # Errors
/// When nothing waits, or the database refuses.
pub async fn complete_one(pool: &PgPool) -> anyhow::Result<String> {
    let worker = Uuid::new_v4();
    sqlx::query("SELECT jobs.register_worker($1, 'w', '1', '{}')").bind(worker).execute(pool).await?;
    let (pk, epoch): (i64, i32) = sqlx::query_as(
        "SELECT pk_job_run, epoch FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1, TRUE)",
    )
    .bind(worker)
    .fetch_one(pool)
    .await?;
    Ok(sqlx::query_scalar(
        "SELECT result FROM jobs.complete($1, ARRAY[$2], ARRAY[$3], ARRAY['{\"id\": \"ch_1\"}'::jsonb], ARRAY[NULL::jsonb])",
    )
    .bind(worker)
    .bind(pk)
    .bind(epoch)
    .fetch_one(pool)
    .await?)
}
