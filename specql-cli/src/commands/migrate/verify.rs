//! `specql migrate verify`: the files make the database that the entities ask for.
//!
//! All migrations are run, in order, in one scratch database, and the whole schema in another; then their catalogs are
//! compared. What the last step leaves for jobs of an older model (retired callbacks) is no difference, nor is what only SQL of one's
//! own makes. An application's own migrations come first in both.

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use anyhow::Context as _;
use specql_compiler::{
    Project,
    internals::{
        migrations::{MigrationPart, retired, same_but_for_places},
        sql::Schema,
    },
};
use sqlx::AssertSqlSafe;

use super::replay::{Catalog, Replayed, catalog, replay, scratch};
use crate::project;

pub(super) fn run(dir: &Path) -> anyhow::Result<ExitCode> {
    let found = project::read_sound(dir)?;
    let differences = runtime()?.block_on(differences(&found))?;
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

/// Fails unless a squashed history makes the same database as the one that it stands for. What somebody wrote by hand runs behind a
/// schema that is newer than the one that it was written for.
pub(super) fn same_when_squashed(found: &Project, squashed: &[MigrationPart]) -> anyhow::Result<()> {
    let differences = runtime()?.block_on(async {
        let before = replay(found, &found.history.migrations).await?.catalog;
        let after = replay(found, squashed).await?.catalog;
        anyhow::Ok(compared(before, after, ("now", "squashed")))
    });
    let differences = differences.context("nothing was squashed: the squashed migrations do not run")?;
    for difference in &differences {
        eprintln!("{difference}");
    }
    if !differences.is_empty() {
        anyhow::bail!("nothing was squashed: a fresh database would be another one than now");
    }
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn differences(found: &Project) -> anyhow::Result<Vec<String>> {
    let schema = found.schema.as_ref().context("the project has errors")?;
    let fresh = scratch(found).await?;
    let others = catalog(fresh.pool()).await?;
    sqlx::raw_sql(AssertSqlSafe(schema.render())).execute(fresh.pool()).await?;
    let mut wanted = catalog(fresh.pool()).await?;
    wanted.retain(|object, _| !others.contains_key(object));
    let Replayed { catalog: mut replayed, by_hand } = replay(found, &found.history.migrations).await?;
    replayed.retain(|object, _| !others.contains_key(object) && !is_of_its_own(object, &by_hand, &wanted));
    without_retired(&mut replayed, found, schema);
    Ok(compared(replayed, wanted, ("migrations", "entities")))
}

/// Whether only SQL of one's own has to do with it. A column of one of SpecQL's tables changes that table.
fn is_of_its_own(object: &str, by_hand: &BTreeMap<String, String>, wanted: &Catalog) -> bool {
    let table_of = |column: &str| {
        let relations = wanted.keys().filter_map(|object| object.strip_prefix("relation "));
        relations.into_iter().any(|table| column.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')))
    };
    let changes_ours = object.strip_prefix("column ").is_some_and(table_of);
    by_hand.contains_key(object) && !wanted.contains_key(object) && !changes_ours
}

fn without_retired(replayed: &mut Catalog, found: &Project, schema: &Schema) {
    for function in retired(&found.history.snapshot, schema) {
        let name = format!("function {}", function.name.split('(').next().unwrap_or_default());
        replayed.retain(|object, _| object.split('(').next() != Some(&name));
    }
}

/// How two databases differ; what the first and the second come from.
fn compared(one: Catalog, mut other: Catalog, (first, second): (&str, &str)) -> Vec<String> {
    let mut differences = Vec::new();
    let width = first.len().max(second.len()) + 1;
    for (object, definition) in &one {
        match other.remove(object) {
            None => differences.push(format!("too much: {object}")),
            // That a line of YAML has moved is no difference.
            Some(theirs) if !same_but_for_places(&theirs, definition) => differences.push(format!(
                "{object}\n  {:width$} {definition}\n  {:width$} {theirs}",
                format!("{first}:"),
                format!("{second}:")
            )),
            Some(_) => {}
        }
    }
    differences.extend(other.into_keys().map(|object| format!("missing: {object}")));
    differences
}
