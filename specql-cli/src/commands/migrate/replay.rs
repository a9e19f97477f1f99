//! Migrations, run one after the other in a scratch database, and what they make.
//!
//! What only SQL of one's own makes is kept apart: it belongs to nobody else, and nothing asks for it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use specql_compiler::{
    Project,
    internals::{migrations::MigrationPart, sql},
};
use specql_runtime::testing::TestDatabase;
use sqlx::{AssertSqlSafe, PgPool, migrate::Migrator};

/// A database's objects with their definitions.
pub(super) type Catalog = BTreeMap<String, String>;

/// What migrations have made.
pub(super) struct Replayed {
    /// Everything that is there.
    pub(super) catalog: Catalog,
    /// Of what was first made by a migration that is written by hand: that migration's file.
    pub(super) by_hand: BTreeMap<String, String>,
}

/// A scratch database as an application has it: with its own sqlx migrations, where it has any.
pub(super) async fn scratch(project: &Project) -> anyhow::Result<TestDatabase> {
    let database = TestDatabase::from_sql("").await?;
    let folder = project.layout.other_migrations.as_ref().map(|folder| project.layout.root.join(folder));
    if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
        let migrations = Migrator::new(folder.as_path()).await.with_context(|| folder.display().to_string())?;
        let applied = migrations.run(database.pool()).await;
        applied.with_context(|| format!("the migrations of `{}`, which come first, failed", folder.display()))?;
    }
    Ok(database)
}

/// Runs migrations.
pub(super) async fn replay(project: &Project, migrations: &[MigrationPart]) -> anyhow::Result<Replayed> {
    let database = scratch(project).await?;
    let mut by_hand = BTreeMap::new();
    for migration in migrations {
        let before = if migration.by_hand { catalog(database.pool()).await? } else { Catalog::new() };
        run(database.pool(), migration, &by_hand).await?;
        if migration.by_hand {
            let after = catalog(database.pool()).await?;
            let new = after.into_keys().filter(|object| !before.contains_key(object));
            by_hand.extend(new.map(|object| (object, file_of(migration))));
        }
    }
    Ok(Replayed { catalog: catalog(database.pool()).await?, by_hand })
}

/// What is in a database.
pub(super) async fn catalog(pool: &PgPool) -> anyhow::Result<Catalog> {
    let rows: Vec<(String, String)> = sqlx::query_as(sql::CATALOG).fetch_all(pool).await?;
    Ok(rows.into_iter().collect())
}

/// Whole, as sqlx sends a migration: a simple query, which PostgreSQL runs as one transaction unless it is told otherwise.
async fn run(pool: &PgPool, migration: &MigrationPart, by_hand: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let Err(error) = sqlx::raw_sql(AssertSqlSafe(migration.sql.clone())).execute(pool).await else { return Ok(()) };
    let file = file_of(migration);
    let said = error.as_database_error().and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>());
    let Some(said) = said else { return Err(error).with_context(|| format!("`{file}` failed")) };
    let detail = said.detail().map(|detail| format!(": {}", detail.replace('\n', "; "))).unwrap_or_default();
    let failed = format!("`{file}` failed: {}{detail}", said.message());
    let blocking: BTreeSet<String> = (by_hand.iter())
        .filter_map(|(object, maker)| Some((name_of(object)?, maker)))
        .filter(|(name, _)| !migration.by_hand && is_named(said.detail().unwrap_or_default(), name))
        .map(|(name, maker)| format!("`{name}` of `{maker}`"))
        .collect();
    if blocking.is_empty() {
        bail!("{failed}");
    }
    let blocking = Vec::from_iter(blocking).join(" and ");
    bail!(
        "{failed}\n{blocking} is in the way, which is written by hand: drop it by a step of your own that comes before \
         (`cargo specql migrate new`; as long as `{file}` is open, take its change out of the entities and build first), and make it \
         anew by one that comes behind"
    )
}

/// `0003_reports.sql`
fn file_of(migration: &MigrationPart) -> String {
    format!("{:04}_{}.sql", migration.version, migration.description.replace(' ', "_"))
}

/// `reports.v_total` of `relation reports.v_total`. What belongs to a relation or a table is in nobody's way by itself.
fn name_of(object: &str) -> Option<&str> {
    let (kind, name) = object.split_once(' ')?;
    let stands_alone = ["relation", "function", "type", "schema", "sequence"].contains(&kind);
    stands_alone.then(|| name.split_once('(').map_or(name, |(name, _)| name))
}

/// Whether a text names an object. PostgreSQL leaves the schema out where it finds the object without.
fn is_named(text: &str, name: &str) -> bool {
    let mut words = text.split(|c: char| c.is_whitespace() || "(),".contains(c));
    words.any(|word| word == name || name.strip_prefix("public.") == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_by_its_whole_name() {
        let said = "view reports.v_total depends on column note of table sales.tb_order\nview plain depends on it";
        assert!(is_named(said, "reports.v_total") && is_named(said, "public.plain"));
        assert!(!is_named(said, "reports.v_tot") && !is_named(said, "other.plain"));
        assert_eq!(name_of("function app.total(integer)"), Some("app.total"));
        assert_eq!(name_of("index sales.ix_order"), None);
    }
}
