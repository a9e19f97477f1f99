//! SQL of one's own among the migrations: `new`, `seal`, `verify`, `squash`, and an application that has migrations already.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use specql_runtime::testing;

const ORDER: &str = "entity: Order\nschema: sales\nfields:\n  total: integer!\n  note: text\n";

/// A project's folder, and the server of its scratch databases.
struct App {
    root: tempfile::TempDir,
    server: String,
}

impl App {
    async fn new() -> Self {
        let server = testing::server().await.unwrap().owner_url().to_owned();
        let app = Self { root: tempfile::tempdir().unwrap(), server };
        app.write("entities/order.yaml", ORDER);
        app
    }

    /// With its first step sealed.
    async fn sealed() -> Self {
        let app = Self::new().await;
        app.says(&["seal"]);
        app
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn specql(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_specql"))
            .arg("migrate")
            .args(arguments)
            .current_dir(self.root.path())
            .env("TEST_DATABASE_URL", &self.server)
            .output()
            .unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = self.specql(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.specql(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// A step of this SQL.
    fn by_hand(&self, name: &str, sql: &str) {
        let said = self.says(&["new", name]);
        let path = said.split('`').nth(1).unwrap();
        self.write(path, sql);
        self.says(&["seal"]);
    }

    fn migrations(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("migrations")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".gitattributes");
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_step_is_begun_written_and_sealed() {
    let app = App::new().await;
    app.says(&["seal"]);
    assert_eq!(
        app.says(&["new", "reports"]),
        "`migrations/0003_reports.sql` is open: write its SQL, then seal it (`cargo specql migrate seal`)\n"
    );
    let status = app.says(&["status"]);
    assert!(status.ends_with("0003     reports  open, by hand\n"), "{status}");
    assert!(app.says(&["plan"]).starts_with("-- the migrations are up to date"));
    assert!(app.refuses(&["seal"]).contains("`migrations/0003_reports.sql` holds no statement yet"));
    assert!(app.refuses(&["new", "more"]).contains("`0003_reports.sql` is open: seal it first"));
    app.write("migrations/0003_reports.sql", "CREATE TABLE reports ();\r\n");
    app.write("entities/order.yaml", &format!("{ORDER}  state: enum(new, paid)\n"));
    assert!(app.refuses(&["plan"]).contains("error[SQ0611]"));
    assert!(app.refuses(&["verify"]).contains("error[SQ0611]"));
    // Whatever the entities say, and under another name; sqlx-cli hashes the very bytes.
    app.write("entities/broken.yaml", "entity: Broken\nfields:\n  a: nothing\n");
    assert!(app.says(&["seal", "monthly"]).starts_with("sealed `0003_monthly.sql`: commit it"));
    let text = fs::read_to_string(app.path("migrations/0003_monthly.sql")).unwrap();
    assert_eq!(text, "CREATE TABLE reports ();\n");
    fs::remove_file(app.path("entities/broken.yaml")).unwrap();
    app.says(&["seal"]);
    assert!(app.migrations().contains(&"0004_order_add_state.sql".to_owned()), "{:?}", app.migrations());
    app.says(&["verify"]);
}

#[tokio::test]
async fn what_only_they_make_is_no_difference_and_what_they_do_to_ours_is() {
    let app = App::sealed().await;
    app.by_hand(
        "own",
        "CREATE SCHEMA reports;
         CREATE TABLE reports.daily (day date PRIMARY KEY, total bigint NOT NULL);
         CREATE TYPE reports.mood AS ENUM ('good', 'bad');
         CREATE FUNCTION reports.total() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total) FROM reports.daily $$;
         CREATE INDEX orders_by_total ON sales.tb_order (total);
         CREATE FUNCTION sales.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER stop BEFORE TRUNCATE ON sales.tb_order FOR EACH STATEMENT EXECUTE FUNCTION sales.stop();
         CREATE VIEW sales.totals AS SELECT total FROM sales.tb_order;",
    );
    let said = app.says(&["verify"]);
    assert!(said.starts_with("3 migration(s): nothing was edited"), "{said}");

    app.by_hand("later", "ALTER TABLE reports.daily ADD COLUMN more TEXT; DROP TYPE reports.mood;");
    app.says(&["verify"]);

    for (name, sql, difference) in [
        ("column", "ALTER TABLE sales.tb_order ADD COLUMN mine TEXT;", "too much: column sales.tb_order.mine"),
        ("dropped", "ALTER TABLE sales.tb_order DROP COLUMN note CASCADE;", "missing: column sales.tb_order.note"),
        ("type", "ALTER TABLE sales.tb_order ALTER COLUMN note SET DEFAULT 'x';", "column sales.tb_order.note\n"),
    ] {
        let app = App::sealed().await;
        app.by_hand(name, sql);
        let refused = app.refuses(&["verify"]);
        assert!(refused.contains(difference), "{refused}");
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_a_change_is_named_with_its_file() {
    let app = App::sealed().await;
    app.by_hand("reports", "CREATE VIEW public.notes AS SELECT note FROM sales.tb_order;");
    app.write("entities/order.yaml", &ORDER.replace("  note: text\n", ""));
    app.says(&["allow", "drop_column:sales.tb_order.note"]);
    let refused = app.refuses(&["verify"]);
    assert!(refused.contains("view notes depends on column note of table sales.tb_order"), "{refused}");
    assert!(
        refused.contains("`public.notes` of `0003_reports.sql` is in the way, which is written by hand"),
        "{refused}"
    );
    // What it says is true.
    app.write("entities/order.yaml", ORDER);
    app.says(&["status"]);
    assert!(app.refuses(&["seal"]).contains("nothing is open"));
    app.by_hand("no_reports", "DROP VIEW public.notes;");
    app.write("entities/order.yaml", &ORDER.replace("  note: text\n", ""));
    app.says(&["allow", "drop_column:sales.tb_order.note"]);
    app.says(&["seal"]);
    app.by_hand("reports_again", "CREATE VIEW public.notes AS SELECT total FROM sales.tb_order;");
    app.says(&["verify"]);
}

#[tokio::test]
async fn a_squash_makes_the_same_database_or_is_not_made() {
    let app = App::sealed().await;
    app.by_hand("reports", "CREATE VIEW public.notes AS SELECT note AS text FROM sales.tb_order;");
    app.write("entities/order.yaml", &format!("{ORDER}  more: text\n"));
    app.says(&["seal"]);
    app.by_hand("index", "-- no-transaction\nCREATE INDEX CONCURRENTLY by_more ON sales.tb_order (more)");
    let said = app.says(&["squash"]);
    assert!(said.starts_with("squashed into `0003_baseline.sql`"), "{said}");
    assert_eq!(app.migrations(), ["0003_baseline.sql", "0004_reports.sql", "0005_index.sql", "specql.lock"]);
    app.says(&["verify"]);

    // Written for an older schema, it does not run behind the newer one.
    app.write("entities/order.yaml", &format!("{ORDER}  much: {{type: text, renamed_from: more}}\n"));
    app.says(&["seal"]);
    app.write("entities/order.yaml", &format!("{ORDER}  much: text\n  last: text\n"));
    app.says(&["seal"]);
    let before = app.migrations();
    let refused = app.refuses(&["squash"]);
    assert!(refused.contains("nothing was squashed") && refused.contains("_index.sql` failed"), "{refused}");
    assert_eq!(app.migrations(), before);
    app.says(&["verify"]);
}

/// A step that makes something by what is there at its time makes something else later.
#[tokio::test]
async fn a_squash_that_would_make_another_database_is_not_made() {
    let app = App::sealed().await;
    app.by_hand("copy", "CREATE TABLE public.copy AS SELECT * FROM sales.tb_order WITH NO DATA;");
    app.write("entities/order.yaml", &format!("{ORDER}  more: text\n"));
    app.says(&["seal"]);
    let refused = app.refuses(&["squash"]);
    assert!(
        refused.contains("too much: column public.copy.more") || refused.contains("missing: column public.copy.more")
    );
    assert!(refused.contains("a fresh database would be another one than now"), "{refused}");
}

#[tokio::test]
async fn an_application_s_own_migrations_come_first() {
    let app = App::new().await;
    let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests/migrate/realworld/migrations");
    for entry in fs::read_dir(theirs).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        app.write(&format!("migrations/{name}"), &fs::read_to_string(entry.path()).unwrap());
    }
    assert!(app.refuses(&["status"]).contains("error[SQ0613]"));
    app.write("specql.toml", "migrations = \"specql-migrations\"\n");
    assert!(app.refuses(&["status"]).contains("error[SQ0612]"));
    app.write(
        "specql-migrations/sqlx.toml",
        "[migrate]\nmigrations-dir = \"specql-migrations\"\ntable-name = \"_specql_migrations\"\n",
    );
    app.says(&["seal"]);
    app.by_hand(
        "both",
        "CREATE VIEW reports AS SELECT a.title, o.total FROM articles AS a JOIN sales.tb_order AS o ON o.note = a.slug;
         ALTER TABLE articles ADD COLUMN fk_order integer REFERENCES sales.tb_order, ALTER COLUMN description DROP NOT NULL;",
    );
    let said = app.says(&["verify"]);
    assert!(said.starts_with("3 migration(s): nothing was edited"), "{said}");
    assert_eq!(app.migrations().len(), 20);
}
