//! Baselines in the place of earlier migrations.

use specql_runtime::database::MigrateError;
use specql_tests::{
    history::{History, shape},
    migrations::{Folder, file},
};
use sqlx::PgPool;

use crate::support::{NOTE, execute, migrated};

fn history() -> History {
    History::of_orders().sealed("note", NOTE).sealed("later", "ALTER TABLE sales.tb_order ADD COLUMN later TEXT;")
}

/// All of it as one migration, and a new one behind it.
fn squashed() -> (History, History) {
    let all = History::of_orders().last().sql.to_owned() + NOTE + "ALTER TABLE sales.tb_order ADD COLUMN later TEXT;";
    let baseline = history().squashed(&all);
    let and_more = baseline.clone().sealed("more", "ALTER TABLE sales.tb_order ADD COLUMN more TEXT;");
    (baseline, and_more)
}

async fn versions(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY 1").fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn a_baseline_takes_the_place_of_all_that_it_stands_for() {
    let (baseline, and_more) = squashed();
    let database = migrated(&history()).await;
    baseline.on(database.pool()).migrate().await.unwrap();
    let fresh = migrated(&baseline).await;
    assert_eq!(shape(database.pool()).await, shape(fresh.pool()).await);
    assert_eq!(versions(database.pool()).await, [3]);
    for database in [database, fresh] {
        for newer in [&baseline, &and_more, &and_more] {
            newer.on(database.pool()).migrate().await.unwrap();
        }
        assert_eq!(versions(database.pool()).await, [3, 4]);
    }
}

#[tokio::test]
async fn a_database_with_only_some_of_them_is_explained() {
    let database = migrated(&history().first(2)).await;
    let before = shape(database.pool()).await;
    let (baseline, _) = squashed();
    let error = baseline.on(database.pool()).migrate().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "migration 3 (baseline) stands for 3 earlier ones, of which this database has only some: migration 3 is missing; \
         deploy the last version from before the squash first, then this one"
    );
    assert_eq!(shape(database.pool()).await, before);
    history().on(database.pool()).migrate().await.unwrap();
    baseline.on(database.pool()).migrate().await.unwrap();
}

#[tokio::test]
async fn one_of_them_in_another_form_is_not_replaced() {
    let database = migrated(&history()).await;
    execute(database.pool(), "UPDATE _sqlx_migrations SET checksum = '' WHERE version = 2").await;
    let error = squashed().0.on(database.pool()).migrate().await.unwrap_err();
    assert!(matches!(error, MigrateError::Changed { version: 2, .. }), "{error}");
    assert_eq!(versions(database.pool()).await, [1, 2, 3]);
}

/// As a build emits it: on a database with all of the history, and on a fresh one.
#[tokio::test]
async fn an_emitted_baseline_makes_what_the_history_made() {
    let order =
        |fields: &str| [file("entities/order.yaml", format!("entity: Order\nschema: sales\nfields:\n{fields}"))];
    let mut folder = Folder::default();
    let (first, second) =
        (order("  total: integer!\n  memo: text\n"), order("  total: integer!\n  code: {type: text, unique: true}\n"));
    let mut schema = None;
    for project in [&first, &second] {
        let built = folder.build(project).unwrap();
        folder.seal(project, &built.schema).unwrap();
        schema = Some(built.schema);
    }
    let schema = schema.unwrap();
    let parts = |folder: &Folder| History::with_versions(&folder.migrations(&second, &schema));
    let before = parts(&folder);
    folder.squash(&second, &schema).unwrap();
    let baseline = parts(&folder);
    let version = before.last().version;
    assert_eq!((baseline.last().version, baseline.last().replaces.len()), (version, usize::try_from(version).unwrap()));

    let squashed = migrated(&before).await;
    baseline.on(squashed.pool()).migrate().await.unwrap();
    let fresh = migrated(&baseline).await;
    assert_eq!(shape(squashed.pool()).await, shape(fresh.pool()).await);
    // Binaries from right before the squash run on both; older ones, which `memo` was taken from, on none.
    for database in [squashed, fresh] {
        before.on(database.pool()).migrate().await.unwrap();
        let error = before.first(1).on(database.pool()).migrate().await.unwrap_err();
        assert!(matches!(error, MigrateError::Incompatible(_)), "{error}");
    }
}

/// A version from before the squash is still being rolled out, or rolled back to.
#[tokio::test]
async fn a_binary_from_before_finds_its_own_migrations_in_the_baseline() {
    let (baseline, and_more) = squashed();
    let database = migrated(&history()).await;
    baseline.on(database.pool()).migrate().await.unwrap();
    for database in [database, migrated(&baseline).await] {
        history().on(database.pool()).migrate().await.unwrap();
        history().first(2).on(database.pool()).migrate().await.unwrap();
        and_more.on(database.pool()).migrate().await.unwrap();
        history().on(database.pool()).migrate().await.unwrap();
        assert_eq!(versions(database.pool()).await, [3, 4]);
    }
}
