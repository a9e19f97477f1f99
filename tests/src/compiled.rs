//! Projects compiled in the test's own process, and databases made of them.

use std::path::Path;

use anyhow::{Context as _, bail};
use specql_compiler::{
    Compilation, build, compile,
    diagnostics::render,
    source::{SourceFile, SourceKind, Sources},
    sql,
};
use specql_runtime::testing::TestDatabase;
use sqlx::PgPool;

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
    let file = |&(path, text): &(&str, &str)| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
        kind: if path.starts_with("registry/") { SourceKind::Registry } else { SourceKind::Entities },
    };
    checked(&Sources::new(files.iter().map(file).collect()))
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
