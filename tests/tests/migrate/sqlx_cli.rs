//! The real sqlx-cli on the same folder and the same database.

use std::process::{Command, Output};

use specql_runtime::testing::TestDatabase;
use specql_tests::{
    history::{History, shape},
    tool,
};

use crate::support::{INDEX, NOTE, execute, migrated};

/// A step of each kind of file.
fn history() -> History {
    let main = format!("{NOTE} ALTER TABLE sales.tb_order ADD CONSTRAINT ck_note CHECK (note <> '') NOT VALID;");
    History::of_orders()
        .sealed("note", &main)
        .sealed("note_concurrently", INDEX)
        .sealed("note_validate", "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT ck_note;")
        .sealed("later", "ALTER TABLE sales.tb_order ADD COLUMN later TEXT;")
}

/// What `sqlx migrate …` says of a history's folder.
fn sqlx(subcommand: &str, history: &History, database: &TestDatabase) -> Output {
    let folder = tempfile::tempdir().unwrap();
    history.write(folder.path());
    let mut command = Command::new(tool::sqlx());
    // Colours would stand between the words.
    command.args(["migrate", subcommand, "--source"]).arg(folder.path()).env("NO_COLOR", "1");
    command.env("DATABASE_URL", database.url()).output().unwrap()
}

/// What it prints when it succeeds.
pub(crate) fn succeeds(subcommand: &str, history: &History, database: &TestDatabase) -> String {
    let output = sqlx(subcommand, history, database);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// It does not succeed.
pub(crate) fn fails(subcommand: &str, history: &History, database: &TestDatabase) {
    let output = sqlx(subcommand, history, database);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The state that `sqlx migrate info` has for each migration.
fn info(history: &History, database: &TestDatabase) -> Vec<String> {
    let text = succeeds("info", history, database);
    text.lines()
        .filter(|line| !line.contains(" migration has ") && !line.contains(" migration had "))
        .map(str::to_owned)
        .collect()
}

const ALL: [&str; 5] = [
    "1/installed init",
    "2/installed note",
    "3/installed note concurrently",
    "4/installed note validate",
    "5/installed later",
];

#[tokio::test]
async fn what_it_has_applied_is_applied() {
    let history = history();
    let database = TestDatabase::from_sql("").await.unwrap();
    succeeds("run", &history, &database);
    let complete = shape(database.pool()).await;
    history.on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, complete);
    assert_eq!(complete, shape(migrated(&history).await.pool()).await);
}

#[tokio::test]
async fn it_finds_installed_what_was_applied_here() {
    let history = history();
    let database = migrated(&history).await;
    assert_eq!(info(&history, &database), ALL);
    assert_eq!(succeeds("run", &history, &database), "");
}

#[tokio::test]
async fn each_goes_on_where_the_other_stopped() {
    let history = history();
    let complete = shape(migrated(&history).await.pool()).await;
    for half in 1..5 {
        let database = TestDatabase::from_sql("").await.unwrap();
        succeeds("run", &history.first(half), &database);
        history.on(database.pool()).migrate().await.unwrap();
        assert_eq!(shape(database.pool()).await, complete);

        let database = migrated(&history.first(half)).await;
        succeeds("run", &history, &database);
        assert_eq!(shape(database.pool()).await, complete);
        assert_eq!(info(&history, &database), ALL);
    }
}

#[tokio::test]
async fn both_refuse_a_folder_with_an_edited_migration() {
    let history = history();
    let database = migrated(&history).await;
    let edited = history.first(4).sealed("later", "ALTER TABLE sales.tb_order ADD COLUMN sooner TEXT;");
    assert_eq!(info(&edited, &database)[4], "5/installed (different checksum) later");
    assert!(!sqlx("run", &edited, &database).status.success());
    let ours = edited.on(database.pool()).migrate().await.unwrap_err().to_string();
    assert!(ours.starts_with("migration 5 (later) was applied in another form"), "{ours}");
}

/// It does not know which migrations are open, and applies them like any other.
#[tokio::test]
async fn an_open_migration_that_it_has_applied_is_followed_when_sealed_and_explained_when_changed() {
    let open = |name: &str| {
        let statement = |verb: &str| format!("ALTER TABLE sales.tb_order {verb} COLUMN {name}");
        History::of_orders().open("later", &format!("{} TEXT;", statement("ADD")), &statement("DROP"))
    };
    let database = TestDatabase::from_sql("").await.unwrap();
    succeeds("run", &open("later"), &database);
    let error = open("sooner").on(database.pool()).migrate().await.unwrap_err().to_string();
    assert!(error.contains("`sqlx migrate run` is for sealed migrations"), "{error}");
    open("later").seal().on(database.pool()).migrate().await.unwrap();
    // In development it is taken over, and can be undone from then on.
    open("later").on(database.pool()).migrate().await.unwrap();
    open("sooner").on(database.pool()).migrate().await.unwrap();
    assert_eq!(shape(database.pool()).await, shape(migrated(&open("sooner")).await.pool()).await);
}

/// It records an index after it is built, and builds it without looking.
#[tokio::test]
async fn an_index_that_it_could_not_build_is_built_here() {
    let unique = INDEX.replace("CREATE INDEX", "CREATE UNIQUE INDEX");
    let history = History::of_orders().sealed("total_concurrently", &unique);
    let database = migrated(&history.first(1)).await;
    execute(database.pool(), "INSERT INTO sales.tb_order (total) VALUES (1), (1)").await;
    assert!(!sqlx("run", &history, &database).status.success());
    execute(database.pool(), "DELETE FROM sales.tb_order").await;
    assert!(!sqlx("run", &history, &database).status.success(), "it mends this by itself now");
    history.on(database.pool()).migrate().await.unwrap();
    assert_eq!(info(&history, &database), ["1/installed init", "2/installed total concurrently"]);
}
