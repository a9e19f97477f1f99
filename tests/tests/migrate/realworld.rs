//! An application with twenty sqlx migrations of its own, users, articles, tags, comments, to which SpecQL is added: both histories
//! stay what they are, in one database.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use specql_compiler::{Mode, Project, internals::sql};
use specql_runtime::testing::TestDatabase;
use specql_tests::{history::History, tool};
use sqlx::{PgPool, migrate::Migrator};

use crate::support::execute;

const CAMPAIGN: &str = "\
entity: Campaign
schema: newsletter
fields:
  subject: text!
  article: text!
  state: enum(draft, sent) = draft
actions:
  - name: create_campaign
";

/// Of both: the article is the application's, and the campaign SpecQL's.
const REPORT: &str = "\
CREATE SCHEMA reports;
CREATE VIEW reports.campaigns AS
SELECT c.subject, a.title, u.username AS author
FROM newsletter.tb_campaign AS c
JOIN public.articles AS a ON a.slug = c.article
JOIN public.users AS u ON u.id = a.author_id;
CREATE FUNCTION reports.campaigns_of(_author text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM reports.campaigns AS c WHERE c.author = _author
$$;
";

const SQLX: &str = "[migrate]\nmigrations-dir = \"specql-migrations\"\ntable-name = \"_specql_migrations\"\n";

/// The application's folder.
struct Application {
    root: tempfile::TempDir,
}

impl Application {
    /// As it was.
    fn old() -> Self {
        let application = Self { root: tempfile::tempdir().unwrap() };
        let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate/realworld/migrations");
        for entry in fs::read_dir(theirs).unwrap() {
            let entry = entry.unwrap();
            application.write(
                &format!("migrations/{}", entry.file_name().to_str().unwrap()),
                &fs::read_to_string(entry.path()).unwrap(),
            );
        }
        application
    }

    /// With SpecQL: a step, one by hand about both, and one more.
    fn with_specql() -> Self {
        let application = Self::old();
        application.write("specql.toml", "migrations = \"specql-migrations\"\n");
        application.write("specql-migrations/sqlx.toml", SQLX);
        application.write("entities/campaign.yaml", CAMPAIGN);
        application.seal();
        let file = Project::begin_by_hand(application.root.path(), "reports").unwrap();
        application.write(&format!("specql-migrations/{file}"), REPORT);
        application.seal();
        application.write("entities/campaign.yaml", &CAMPAIGN.replace("actions:", "  note: text\nactions:"));
        application.seal();
        application
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn said(&self) -> Vec<String> {
        let project = Project::read(self.root.path(), &Mode::Write).unwrap();
        project.diagnostics().map(|diagnostic| diagnostic.rule.code.to_owned()).collect()
    }

    fn seal(&self) {
        Project::seal(self.root.path(), None).unwrap();
        assert_eq!(self.said(), [""; 0]);
    }

    /// What the application runs at its start: `sqlx::migrate!()`.
    async fn migrate(&self, pool: &PgPool) {
        Migrator::new(self.path("migrations")).await.unwrap().run(pool).await.unwrap();
    }

    /// What the binary carries of SpecQL.
    fn specql(&self) -> History {
        let history = Project::read(self.root.path(), &Mode::Write).unwrap().history;
        assert_eq!(history.table, "_specql_migrations");
        History::with_versions(&history.migrations).recorded_in("_specql_migrations")
    }

    /// What `sqlx migrate …` prints in the application's folder.
    fn sqlx(&self, arguments: &[&str], database: &TestDatabase) -> String {
        let mut command = Command::new(tool::sqlx());
        command.arg("migrate").args(arguments).current_dir(self.root.path()).env("NO_COLOR", "1");
        let output = command.env("DATABASE_URL", database.url()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Some rows as they were there before SpecQL.
async fn fill(pool: &PgPool) {
    execute(
        pool,
        "INSERT INTO users (username, email, password_hash) VALUES ('ann', 'ann@example.com', 'x'), ('bob', 'bob@example.com', 'x');
         INSERT INTO articles (author_id, slug, title, description, body)
            SELECT id, 'first', 'First', 'Of all', 'Text' FROM users WHERE username = 'ann';
         INSERT INTO follows SELECT b.id, a.id FROM users AS a, users AS b WHERE a.username = 'ann' AND b.username = 'bob';
         INSERT INTO favorites SELECT u.id, a.id FROM users AS u, articles AS a;
         INSERT INTO comments (article_id, author_id, body) SELECT a.id, u.id, 'Good' FROM users AS u, articles AS a",
    )
    .await;
}

/// Everything in the application's tables, and its record of what was applied and when.
async fn rows(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT 'user ' || row_to_json(u) FROM users AS u UNION ALL SELECT 'article ' || row_to_json(a) FROM articles AS a
         UNION ALL SELECT 'comment ' || row_to_json(c) FROM comments AS c UNION ALL SELECT 'feed ' || row_to_json(f) FROM feed AS f
         UNION ALL SELECT 'tag ' || row_to_json(t) FROM tags AS t UNION ALL SELECT 'migration ' || row_to_json(m) FROM _sqlx_migrations AS m
         ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn catalog(pool: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as(sql::CATALOG).fetch_all(pool).await.unwrap()
}

async fn versions(pool: &PgPool) -> (Vec<i64>, usize) {
    let of_specql =
        sqlx::query_scalar("SELECT version FROM public._specql_migrations ORDER BY 1").fetch_all(pool).await.unwrap();
    let theirs: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations").fetch_all(pool).await.unwrap();
    (of_specql, theirs.len())
}

async fn report(pool: &PgPool) -> (String, String, i64) {
    execute(pool, "INSERT INTO newsletter.tb_campaign (subject, article) VALUES ('Read this', 'first')").await;
    sqlx::query_as("SELECT title, author, reports.campaigns_of('ann') FROM reports.campaigns LIMIT 1")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[test]
fn a_build_says_what_to_write_before_it_writes_anything() {
    let application = Application::old();
    application.write("entities/campaign.yaml", CAMPAIGN);
    assert_eq!(application.said(), ["SQ0613"]);
    application.write("specql.toml", "migrations = \"specql-migrations\"\n");
    assert_eq!(application.said(), ["SQ0612"]);
    assert!(!application.path("specql-migrations").exists());
    application.write("specql-migrations/sqlx.toml", SQLX);
    assert_eq!(application.said(), [""; 0]);
    // The application's own table may be named, too, and then ours need not be.
    fs::remove_file(application.path("specql-migrations/sqlx.toml")).unwrap();
    application.write("sqlx.toml", "[migrate]\ntable-name = \"realworld.migrations\"\n");
    assert_eq!(application.said(), [""; 0]);
    fs::remove_dir_all(application.path("migrations")).unwrap();
    application.write("sqlx.toml", SQLX);
    assert_eq!(application.said(), [""; 0]);
}

#[tokio::test]
async fn both_apply_on_a_fresh_database_in_either_order() {
    let application = Application::with_specql();
    let specql = application.specql();
    let one = TestDatabase::from_sql("").await.unwrap();
    application.migrate(one.pool()).await;
    specql.on(one.pool()).migrate().await.unwrap();
    fill(one.pool()).await;
    assert_eq!(report(one.pool()).await, ("First".to_owned(), "ann".to_owned(), 1));
    assert_eq!(versions(one.pool()).await, (vec![1, 2, 3, 4], 20));

    // SpecQL's tables are there before the application's; what is written about both waits for them.
    let other = TestDatabase::from_sql("").await.unwrap();
    specql.first(2).on(other.pool()).migrate().await.unwrap();
    let early = specql.on(other.pool()).migrate().await.unwrap_err().to_string();
    assert!(early.contains("relation \"public.articles\" does not exist"), "{early}");
    application.migrate(other.pool()).await;
    specql.on(other.pool()).migrate().await.unwrap();
    assert_eq!(catalog(other.pool()).await, catalog(one.pool()).await);
}

#[tokio::test]
async fn on_the_old_database_nothing_of_the_application_changes() {
    let application = Application::with_specql();
    let specql = application.specql();
    let database = TestDatabase::from_sql("").await.unwrap();
    application.migrate(database.pool()).await;
    fill(database.pool()).await;
    let before = rows(database.pool()).await;
    for done in 1..=4 {
        specql.first(done).on(database.pool()).migrate().await.unwrap();
        application.migrate(database.pool()).await;
        assert_eq!(rows(database.pool()).await, before);
    }
    assert_eq!(report(database.pool()).await, ("First".to_owned(), "ann".to_owned(), 1));

    // Both go on.
    let next = "ALTER TABLE articles ADD COLUMN campaign bigint REFERENCES newsletter.tb_campaign;\n";
    application.write("migrations/20240103120000_campaigns.sql", next);
    application.migrate(database.pool()).await;
    let more = CAMPAIGN.replace("actions:", "  note: text\n  sent_at: timestamp\nactions:");
    application.write("entities/campaign.yaml", &more);
    application.seal();
    application.specql().on(database.pool()).migrate().await.unwrap();
    assert_eq!(versions(database.pool()).await, (vec![1, 2, 3, 4, 5], 21));
}

#[tokio::test]
async fn sqlx_cli_and_ours_see_what_the_other_applied_of_either_history() {
    let application = Application::with_specql();
    let specql = application.specql();
    let config = ["--config", "specql-migrations/sqlx.toml"];
    let ours = |subcommand| [&[subcommand][..], &config].concat();

    let by_cli = TestDatabase::from_sql("").await.unwrap();
    assert_eq!(application.sqlx(&["run"], &by_cli).lines().count(), 20);
    assert_eq!(application.sqlx(&ours("run"), &by_cli).lines().count(), 4);
    application.migrate(by_cli.pool()).await;
    specql.on(by_cli.pool()).migrate().await.unwrap();

    let by_us = TestDatabase::from_sql("").await.unwrap();
    application.migrate(by_us.pool()).await;
    specql.first(3).on(by_us.pool()).migrate().await.unwrap();
    assert_eq!(application.sqlx(&["run"], &by_us), "");
    let info = application.sqlx(&ours("info"), &by_us);
    let states: Vec<&str> = info.lines().collect();
    assert_eq!(
        states,
        ["1/installed specql", "2/installed init", "3/installed reports", "4/pending campaign add note"]
    );
    assert_eq!(application.sqlx(&ours("run"), &by_us).lines().count(), 1);
    specql.on(by_us.pool()).migrate().await.unwrap();
    assert_eq!(catalog(by_us.pool()).await, catalog(by_cli.pool()).await);
    assert_eq!(versions(by_us.pool()).await, versions(by_cli.pool()).await);
}

#[tokio::test]
async fn a_test_database_has_both() {
    let application = Application::with_specql();
    let own = Migrator::new(application.path("migrations")).await.unwrap();
    let database = TestDatabase::migrated_after(&own, application.specql().project()).await.unwrap();
    fill(database.pool()).await;
    assert_eq!(report(database.pool()).await, ("First".to_owned(), "ann".to_owned(), 1));
    assert_eq!(versions(database.pool()).await, (vec![1, 2, 3, 4], 20));
}

#[tokio::test]
async fn a_table_may_be_in_a_schema_of_its_own_which_is_made_where_it_is_missing() {
    let history = Application::with_specql().specql().first(2);
    for table in ["ops.\"Done\"", "Ops.done", "done"] {
        let database = TestDatabase::from_sql("").await.unwrap();
        for _ in 0..2 {
            history.clone().recorded_in(table).on(database.pool()).migrate().await.unwrap();
        }
        let counted = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(counted)).fetch_one(database.pool()).await.unwrap();
        assert_eq!(rows, 2, "{table}");
        let sqlx_s: Option<String> = sqlx::query_scalar("SELECT to_regclass('public._sqlx_migrations')::text")
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert_eq!(sqlx_s, None);
    }
}
