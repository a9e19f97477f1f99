//! Schedules that run for each tenant: each of them once, whatever becomes of the others.

use std::time::Duration;

use specql_compiler::Compilation;
use specql_runtime::{Database, Project, Worker, testing::TestDatabase};
use specql_tests::compiled;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::project::eventually;

static PROJECT: Project = Project {
    name: "test",
    root: "",
    compiler_version: "",
    migrations: &[],
    registry: "{\"services\":{}}",
    uses_jobs: true,
};

/// Companies, each with bills of its own that are remembered at night.
fn project() -> Compilation {
    let bills = "\
entity: Bill
schema: sales
fields: {note: text!}
schedules: [{name: nightly, cron: '0 0 1 1 *', action: remember, input: {note: \"due\"}, for_each_tenant: true}]
actions:
  - name: remember
    input: {note: text!}
    steps: [{insert: Bill, values: {note: $input.note}}]
";
    compiled::files(&[
        ("entities/company.yaml", "entity: Company\nschema: crm\nfields: {name: text!}\n"),
        ("entities/bill.yaml", bills),
        ("registry/domain_registry.yaml", "domains: {crm: {}, sales: {multi_tenant: true, tenants: Company}}\n"),
    ])
    .unwrap()
}

struct Companies {
    test: TestDatabase,
    database: Database,
}

impl Companies {
    /// So many companies, and one that is deleted. The last year's beginning is still to be run for them.
    async fn new(companies: i32) -> Self {
        let test = compiled::database(&project()).await.unwrap();
        let database = Database::from_pool(test.pool().clone(), &PROJECT);
        sqlx::query(
            "INSERT INTO crm.tb_company (name) SELECT 'c' || lpad(n::text, 5, '0') FROM generate_series(1, $1) AS n",
        )
        .bind(companies)
        .execute(test.pool())
        .await
        .unwrap();
        let this = Self { test, database };
        this.execute(
            "INSERT INTO crm.tb_company (name, deleted_at) VALUES ('gone', now());
            UPDATE jobs.tb_schedule SET counted_to = now() - interval '1 year'",
        )
        .await;
        this
    }

    fn pool(&self) -> &PgPool {
        self.test.pool()
    }

    async fn connection(&self) -> PgConnection {
        PgConnection::connect_with(&self.pool().connect_options()).await.unwrap()
    }

    async fn worker(&self) -> Worker {
        Worker::builder(&self.database).shutdown_timeout(Duration::from_secs(5)).start().await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.pool()).await.unwrap();
    }

    async fn until(&self, sql: &'static str) {
        eventually(async || {
            let so: bool = sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap();
            so.then_some(())
        })
        .await;
    }

    /// The companies' names, each as often as it has a bill that it sees itself.
    async fn remembered(&self) -> Vec<String> {
        let mut tx = self.pool().begin().await.unwrap();
        let companies: Vec<(String, String)> =
            sqlx::query_as("SELECT id::text, name FROM crm.tb_company ORDER BY name")
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        let mut names = Vec::new();
        for (id, name) in companies {
            sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(&id).execute(&mut *tx).await.unwrap();
            let sql = "SELECT count(*) FROM sales.tb_bill WHERE note = 'due' AND tenant_id::text = $1";
            let bills: i64 = sqlx::query_scalar(sql).bind(&id).fetch_one(&mut *tx).await.unwrap();
            names.extend((0..bills).map(|_| name.clone()));
        }
        names
    }

    /// Runs, failures, and tenants that are still to be run for.
    async fn record(&self) -> (i64, i64, i64) {
        sqlx::query_as("SELECT runs, failures, tenants_waiting FROM jobs.v_schedule WHERE for_each_tenant")
            .fetch_one(self.pool())
            .await
            .unwrap()
    }
}

fn names(companies: std::ops::RangeInclusive<i32>) -> Vec<String> {
    companies.map(|company| format!("c{company:05}")).collect()
}

const DONE: &str = "SELECT runs > 0 AND tenants_waiting = 0 FROM jobs.v_schedule";

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_run_once_for_each_tenant_over_two_workers_of_which_one_dies() {
    let companies = Companies::new(250).await;
    let (first, second) = (companies.worker().await, companies.worker().await);
    companies.until("SELECT runs > 10 FROM jobs.v_schedule").await;
    drop(first); // As if the process were killed.
    companies.until(DONE).await;
    second.shutdown().await.unwrap();
    assert_eq!(companies.remembered().await, names(1..=250));
    assert_eq!(companies.record().await, (250, 0, 0));
    // Each run is recorded in its tenant's name.
    let audited: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT a.tenant_id) FROM app.tb_mutation_audit_log AS a JOIN crm.tb_company AS c ON c.id = a.tenant_id
        WHERE a.status = 'success' AND c.deleted_at IS NULL",
    )
    .fetch_one(companies.pool())
    .await
    .unwrap();
    assert_eq!(audited, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_run_is_undone_keeps_no_other_waiting_and_is_run_again() {
    let companies = Companies::new(3).await;
    companies
        .execute(
            "CREATE TABLE sales.locked (tenant_id text);
            INSERT INTO sales.locked SELECT id::text FROM crm.tb_company WHERE name = 'c00002';
            CREATE FUNCTION sales.lose() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM sales.locked AS l WHERE l.tenant_id = NEW.tenant_id::text) THEN
                    RAISE EXCEPTION USING ERRCODE = '40001';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER lose BEFORE INSERT ON sales.tb_bill FOR EACH ROW EXECUTE FUNCTION sales.lose()",
        )
        .await;
    let worker = companies.worker().await;
    companies.until("SELECT runs = 2 FROM jobs.v_schedule").await;
    assert_eq!(companies.remembered().await, ["c00001", "c00003"]);
    assert_eq!(companies.record().await, (2, 0, 1));
    companies.execute("DELETE FROM sales.locked").await;
    companies.until(DONE).await;
    worker.shutdown().await.unwrap();
    assert_eq!(companies.remembered().await, names(1..=3));
    assert_eq!(companies.record().await, (3, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_connection_runs_for_a_tenant_another_leaves_alone() {
    let companies = Companies::new(1).await;
    let (mut one, mut two) = (companies.connection().await, companies.connection().await);
    let spread = "SELECT jobs.run_schedule(s.key, s.cron, s.timezone, s.counted_to, now() - interval '2 days', 0, true) FROM jobs.schedules() AS s";
    assert_eq!(sqlx::query_scalar::<_, String>(spread).fetch_one(&mut one).await.unwrap(), "spread");
    // The next time comes before the first is run.
    let again = "SELECT jobs.run_schedule(s.key, s.cron, s.timezone, s.counted_to, now() - interval '1 day', 0, true) FROM jobs.schedules() AS s";
    assert_eq!(sqlx::query_scalar::<_, String>(again).fetch_one(&mut two).await.unwrap(), "spread");
    let run = "SELECT jobs.run_for_tenant(t.key, t.tenant_id, t.due) FROM jobs.tb_schedule_tenant AS t ORDER BY t.due";
    sqlx::raw_sql("BEGIN").execute(&mut one).await.unwrap();
    let first = "SELECT jobs.run_for_tenant(t.key, t.tenant_id, t.due) FROM jobs.scheduled_tenants() AS t";
    assert_eq!(sqlx::query_scalar::<_, String>(first).fetch_all(&mut one).await.unwrap(), ["success"]);
    // While it is under way: neither that time nor the one behind it.
    assert_eq!(sqlx::query_scalar::<_, String>(run).fetch_all(&mut two).await.unwrap(), ["taken", "taken"]);
    sqlx::raw_sql("COMMIT").execute(&mut one).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, String>(run).fetch_all(&mut two).await.unwrap(), ["success"]);
    assert_eq!(companies.remembered().await, ["c00001", "c00001"]);
    assert_eq!(companies.record().await, (2, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_gone_is_recorded_in_its_tenants_name() {
    let companies = Companies::new(1).await;
    companies.execute("DROP FUNCTION app.remember(uuid, uuid, jsonb)").await;
    let worker = companies.worker().await;
    companies.until(DONE).await;
    worker.shutdown().await.unwrap();
    assert_eq!(companies.record().await, (1, 1, 0));
    let said: Vec<(String, String)> = sqlx::query_as(
        "SELECT a.status, a.error_sqlstate FROM app.tb_mutation_audit_log AS a JOIN crm.tb_company AS c ON c.id = a.tenant_id",
    )
    .fetch_all(companies.pool())
    .await
    .unwrap();
    assert_eq!(said, [("failed:unexpected_error".to_owned(), "42883".to_owned())]);
}

#[test]
fn the_page_about_schedules_shows_what_compiles() {
    let page = include_str!("../../../docs/schedules.md");
    let mut files =
        vec![("entities/company.yaml".to_owned(), "entity: Company\nschema: crm\nfields: {name: text!}\n".to_owned())];
    for block in page.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap().to_owned();
        let path = text.strip_prefix("# ").and_then(|text| text.lines().next());
        let path = path.map_or_else(|| format!("entities/{}.yaml", files.len()), str::to_owned);
        files.push((path, text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let model = compiled::files(&files).unwrap().model;
    let found: Vec<_> = model.schedules.iter().map(|one| (one.name.as_str(), one.tenants.is_some())).collect();
    assert_eq!(found, [("nightly", false), ("weekly", true)]);
}
