//! `specql migrate verify`: the files make the database that the entities ask for.
//!
//! All migrations are run, in order, in one scratch database, and the whole schema in another; then their catalogs are
//! compared. What the last step leaves for jobs of an older model (retired callbacks) is no difference.

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use anyhow::Context as _;
use specql_compiler::{
    Project,
    internals::{
        migrations::{MigrationPart, retired, same_but_for_places},
        sql,
    },
};
use specql_runtime::testing::TestDatabase;
use sqlx::{AssertSqlSafe, PgPool};

use crate::project;

pub(super) fn run(dir: &Path) -> anyhow::Result<ExitCode> {
    let found = project::read_sound(dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let differences = runtime.block_on(differences(&found))?;
    for difference in &differences {
        eprintln!("{difference}");
    }
    let count = found.history.migrations.len();
    if !differences.is_empty() {
        anyhow::bail!("the {count} migration(s) do not make the database that the entities ask for");
    }
    println!("{count} migration(s): nothing was edited, and they make the database that the entities ask for");
    Ok(ExitCode::SUCCESS)
}

async fn differences(found: &Project) -> anyhow::Result<Vec<String>> {
    let schema = found.schema.as_ref().context("the project has errors")?;
    let replayed = TestDatabase::from_sql("").await?;
    for migration in &found.history.migrations {
        replay(replayed.pool(), migration).await?;
    }
    let fresh = TestDatabase::from_sql(&schema.render()).await?;
    let (mut replayed, mut wanted) = (catalog(replayed.pool()).await?, catalog(fresh.pool()).await?);
    for function in retired(&found.history.snapshot, schema) {
        let name = format!("function {}", function.name.split('(').next().unwrap_or_default());
        replayed.retain(|object, _| object.split('(').next() != Some(&name));
    }
    let mut differences = Vec::new();
    for (object, definition) in &replayed {
        match wanted.remove(object) {
            None => differences.push(format!("too much: {object}")),
            // That a line of YAML has moved is no difference.
            Some(other) if !same_but_for_places(&other, definition) => {
                differences.push(format!("{object}\n  migrations: {definition}\n  entities:   {other}"));
            }
            Some(_) => {}
        }
    }
    differences.extend(wanted.into_keys().map(|object| format!("missing: {object}")));
    Ok(differences)
}

/// Whole, as sqlx sends a migration: a simple query, which PostgreSQL runs as one transaction unless it is told otherwise.
async fn replay(pool: &PgPool, migration: &MigrationPart) -> anyhow::Result<()> {
    let result = sqlx::raw_sql(AssertSqlSafe(migration.sql.clone())).execute(pool).await;
    result.with_context(|| format!("migration {} ({}) failed", migration.version, migration.description))?;
    Ok(())
}

async fn catalog(pool: &PgPool) -> anyhow::Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(sql::CATALOG).fetch_all(pool).await?;
    Ok(rows.into_iter().collect())
}
