//! `specql migrate roles`: prints what is missing, applies it, and fails while something is.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    fs,
    process::{Command, Output},
};

use specql_compiler::{Mode, Project};
use specql_runtime::testing::TestDatabase;
use sqlx::AssertSqlSafe;

const ORDER: &str = "\
entity: Order
schema: sales
fields:
  total: integer!
actions:
  - name: create_order
  - name: charge
    steps:
      - call_service: {service: bank, operation: pay, input: {amount: total}}
";
const BANK: &str =
    "services: [{name: bank, operations: [{name: pay, input_schema: {amount: integer!}, output_schema: {}}]}]\n";

struct App {
    root: tempfile::TempDir,
    database: TestDatabase,
}

impl App {
    /// A project, and a database with its migrations.
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [("entities/order.yaml", ORDER), ("registry/bank.yaml", BANK)] {
            fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            fs::write(root.path().join(file), text).unwrap();
        }
        let project = Project::read(root.path(), &Mode::Write).unwrap();
        assert!(!project.has_errors(), "{:?}", project.errors());
        let database = TestDatabase::from_sql(&project.schema.unwrap().render()).await.unwrap();
        Self { root, database }
    }

    async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.database.pool()).await.unwrap();
    }

    fn roles(&self, arguments: &[&str], url: &str) -> (bool, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_specql"))
            .args(["migrate", "roles"])
            .args(arguments)
            .current_dir(self.root.path())
            .env("DATABASE_URL", url)
            .output()
            .unwrap();
        (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_printed_and_fails_until_it_is_applied() {
    let app = App::new().await;
    let url = app.database.url();
    let complete = (true, "-- the roles have everything that they need\n".to_owned(), String::new());
    assert_eq!(app.roles(&[], &url), complete);
    assert_eq!(app.roles(&["--apply"], &url), complete);

    app.run(
        "REVOKE EXECUTE ON FUNCTION jobs.next_due() FROM specql_worker; REVOKE SELECT ON sales.v_order FROM specql_app;
         REVOKE INSERT (priority) ON jobs.tb_job_run FROM specql_enqueuer; REVOKE USAGE ON SCHEMA app FROM specql_app",
    )
    .await;
    let missing = "\
GRANT USAGE ON SCHEMA app TO specql_app;
GRANT SELECT ON TABLE sales.v_order TO specql_app;
GRANT EXECUTE ON FUNCTION jobs.next_due() TO specql_worker;
GRANT INSERT (service_name, operation, input_data, idempotency_key, correlation_id, priority, run_at) ON TABLE jobs.tb_job_run TO specql_enqueuer;
";
    let said = "4 statements missing: `specql migrate roles --apply` runs them, as the role of `DATABASE_URL`\n";
    assert_eq!(app.roles(&[], &url), (false, missing.to_owned(), said.to_owned()));
    assert_eq!(app.roles(&["--apply"], &url), (true, missing.to_owned(), "applied 4 statements\n".to_owned()));
    assert_eq!(app.roles(&[], &url), complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_grant_nothing_is_told_so_and_nothing_is_applied() {
    let app = App::new().await;
    // PostgreSQL only warns where a stranger grants: the role has some right on the object, but not to pass it on.
    app.run(
        "DO $$ BEGIN CREATE ROLE specql_roles_stranger LOGIN PASSWORD 'stranger'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE ON SCHEMA app, sales, jobs TO specql_roles_stranger; GRANT SELECT ON sales.v_order TO specql_roles_stranger;
         REVOKE SELECT ON sales.v_order FROM specql_app",
    )
    .await;
    let mut url = app.database.url().parse::<url::Url>().unwrap();
    url.set_username("specql_roles_stranger").unwrap();
    url.set_password(Some("stranger")).unwrap();
    let (ok, printed, said) = app.roles(&["--apply"], url.as_str());
    assert!(!ok && said.contains("may not grant this"), "{said}");
    assert_eq!(printed, "GRANT SELECT ON TABLE sales.v_order TO specql_app;\n");
    app.run("REVOKE SELECT ON sales.v_order FROM specql_roles_stranger").await;
    let (ok, _, said) = app.roles(&["--apply"], url.as_str());
    assert!(!ok && said.contains("nothing was applied") && said.contains("permission denied"), "{said}");
    assert!(said.contains("(SQLSTATE 42501)") && !said.contains(" at line "), "a line of PostgreSQL's source: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_a_script_that_can_be_run_and_run_again() {
    let app = App::new().await;
    let (ok, script, said) = app.roles(&[], "");
    assert!(ok && said.is_empty(), "{said}");
    assert_eq!(app.roles(&["--print"], &app.database.url()), (true, script.clone(), String::new()));
    assert!(!app.roles(&["--apply"], "").0, "there is no database to apply it to");
    assert!(!app.roles(&["--apply", "--print"], &app.database.url()).0);

    app.run(
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA app, jobs FROM specql_app, specql_worker;
         REVOKE ALL ON SCHEMA app, jobs, sales FROM specql_app, specql_worker, specql_enqueuer",
    )
    .await;
    assert!(!app.roles(&[], &app.database.url()).0);
    app.run(&script).await;
    app.run(&script).await;
    assert!(app.roles(&[], &app.database.url()).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_migrations_that_are_to_come_are_not_missing() {
    let app = App::new().await;
    let order = app.root.path().join("entities/order.yaml");
    fs::write(&order, format!("{ORDER}  - name: delete_order\n")).unwrap();
    let (ok, _, said) = app.roles(&[], &app.database.url());
    assert!(ok && said.starts_with("1 grant is on objects that this database does not have yet"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_migrated_has_not_what_the_roles_need() {
    let app = App::new().await;
    let empty = TestDatabase::from_sql("").await.unwrap();
    for arguments in [&[][..], &["--apply"]] {
        let (ok, printed, said) = app.roles(arguments, &empty.url());
        assert!(!ok && said.starts_with("this database is not migrated"), "{said}");
        assert!(!printed.contains("everything"), "{printed}");
    }
}
